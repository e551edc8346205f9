#include "io/pickle/pickle.h"

#include <bit>
#include <cstdlib>
#include <cstring>
#include <unordered_map>

#include <spdlog/fmt/fmt.h>

#include "io/pickle/pickle_globals.h"
#include "io/pickle/pickle_text.h"
#include "io/refusal.h"

namespace rcnn::io::pickle {
namespace {

[[noreturn]] void damaged_pickle(const char* why) {
  throw Refusal(fmt::format("its pickle is damaged or cut short: {}", why));
}

/// The stack machine that pickles are programs for (Python's Lib/pickletools.py describes every instruction).
class Machine {
 public:
  Machine(std::string_view input, size_t most_instructions)
      : input_(input), builder_(input.size(), most_instructions) {}

  Pickle run() {
    for (;;) {
      builder_.charge(1);
      const auto instruction = static_cast<uint8_t>(take(1)[0]);
      if (instruction == '.') break;
      step(instruction);
    }
    Value* const root = pop();
    Pickle pickle = builder_.take();
    pickle.root = root;
    pickle.size = position_;
    return pickle;
  }

 private:
  void step(uint8_t instruction) {
    switch (instruction) {
      // Numbers and constants
      case 'N':
        return push(None{});
      case 0x88:
        return push(true);
      case 0x89:
        return push(false);
      case 'J':
        return push(int64_t{static_cast<int32_t>(number<uint32_t>())});
      case 'K':
        return push(int64_t{number<uint8_t>()});
      case 'M':
        return push(int64_t{number<uint16_t>()});
      case 'I':
        return push_decimal_or_bool();
      case 'L':
        return push(decimal(line()));
      case 0x8a:
        return push_long(number<uint8_t>());
      case 0x8b:
        return push_long(number<uint32_t>());
      case 'F':
        return push(parse_double(line()));
      case 'G':
        return push(std::bit_cast<double>(__builtin_bswap64(number<uint64_t>())));
      // Texts and bytes
      case 'S':
        return push(Text{builder_.keep(unescape_string(line()))});
      case 'V':
        return push(Text{builder_.keep(unescape_unicode(line()))});
      case 'U':
      case 0x8c:
        return push(Text{take(number<uint8_t>())});
      case 'T':
      case 'X':
        return push(Text{take(number<uint32_t>())});
      case 0x8d:
        return push(Text{take(number<uint64_t>())});
      case 'C':
        return push(Bytes{take(number<uint8_t>())});
      case 'B':
        return push(Bytes{take(number<uint32_t>())});
      case 0x8e:
      case 0x96:
        return push(Bytes{take(number<uint64_t>())});
      // Containers
      case ']':
        return push(List{});
      case 'l':
        return push(List{pop_to_mark()});
      case 'a':
        return append(pop_items(1));
      case 'e':
        return append(pop_to_mark());
      case ')':
        return push(Tuple{});
      case 't':
        return push(Tuple{pop_to_mark()});
      case 0x85:
        return push(Tuple{pop_items(1)});
      case 0x86:
        return push(Tuple{pop_items(2)});
      case 0x87:
        return push(Tuple{pop_items(3)});
      case '}':
        return push(Dict{});
      case 'd':
        return make_dict();
      case 's':
        return set_items(pop_items(2));
      case 'u':
        return set_items(pop_to_mark());
      case 0x8f:
        return push(Opaque{});  // an empty set
      case 0x90:
        return add_to_set(pop_to_mark());
      case 0x91:
        pop_to_mark();
        return push(Opaque{});  // a frozenset
      // Objects
      case 'c':
        return push_global();
      case 0x93:
        return push_global_of_stack();
      case 'R':
      case 0x81:  // NEWOBJ: cls.__new__(cls, *args), which for those on the list is the same
        return reduce();
      case 0x92:
        return stack_.push_back(call_with_keywords(builder_, *pop_items(3).front()));
      case 'i':
        return make_instance(find_global_of_lines());
      case 'o':
        return make_object();
      case 'b':
        return build();
      case 'Q':
        return stack_.push_back(load_storage(builder_, *pop()));
      // The stack and the memo
      case '(':
        return marks_.push_back(stack_.size());
      case '0':
        return discard();
      case '1':
        pop_to_mark();
        return;
      case '2':
        return stack_.push_back(top());
      case 'p':
        memo_[static_cast<uint32_t>(small_decimal())] = top();
        return;
      case 'q':
        memo_[number<uint8_t>()] = top();
        return;
      case 'r':
        memo_[number<uint32_t>()] = top();
        return;
      case 0x94:
        memo_[static_cast<uint32_t>(memo_.size())] = top();
        return;
      case 'g':
        return recall(static_cast<uint32_t>(small_decimal()));
      case 'h':
        return recall(number<uint8_t>());
      case 'j':
        return recall(number<uint32_t>());
      // The stream
      case 0x80:
        return check_protocol(number<uint8_t>());
      case 0x95:
        return check_frame(number<uint64_t>());
      case 0x97:
      case 0x98:
        throw Refusal("its pickle refers to buffers outside the file");
      case 0x82:
      case 0x83:
      case 0x84:
        throw Refusal("its pickle refers to Python's extension registry");
      default:
        damaged_pickle(fmt::format("instruction {:#04x} at byte {}", instruction, position_ - 1).c_str());
    }
  }

  // The input

  std::string_view take(uint64_t count) {
    if (count > input_.size() - position_) damaged_pickle("it ends too early");
    const auto bytes = input_.substr(position_, count);
    position_ += count;
    return bytes;
  }

  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }

  std::string_view line() {
    const size_t end = input_.find('\n', position_);
    if (end == std::string_view::npos) damaged_pickle("it ends within a line");
    const auto text = take(end - position_);
    ++position_;  // the newline
    return text;
  }

  void check_protocol(int protocol) {
    if (protocol > 5) throw Refusal(fmt::format("its pickle protocol is {}; 0 to 5 are known", protocol));
  }

  void check_frame(uint64_t size) {
    if (size > input_.size() - position_) damaged_pickle("a frame is longer than what is left");
  }

  // The stack: nothing below the last mark can be reached.

  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  Value* top() {
    if (stack_.size() <= floor()) damaged_pickle("its stack is empty");
    return stack_.back();
  }

  Value* pop() {
    Value* const value = top();
    stack_.pop_back();
    return value;
  }

  Values pop_items(size_t count) {
    if (stack_.size() - floor() < count) damaged_pickle("its stack is empty");
    Values items(stack_.end() - static_cast<ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return items;
  }

  Values pop_to_mark() {
    if (marks_.empty()) damaged_pickle("no mark is set");
    Values items = pop_items(stack_.size() - marks_.back());
    marks_.pop_back();
    return items;
  }

  void discard() {
    if (!marks_.empty() && marks_.back() == stack_.size()) {
      marks_.pop_back();
    } else {
      pop();
    }
  }

  void push(decltype(Value::data) data) { stack_.push_back(builder_.add(std::move(data))); }

  void recall(uint32_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) damaged_pickle("it recalls what it never kept");
    stack_.push_back(found->second);
  }

  // Numbers

  int64_t small_decimal() {
    const auto value = decimal(line());
    const auto* number = std::get_if<int64_t>(&value);
    if (number == nullptr || *number < 0 || *number > UINT32_MAX) damaged_pickle("an index is no number");
    return *number;
  }

  /// INT, whose 00 and 01 (not 0 and 1) are protocol 1's False and True.
  void push_decimal_or_bool() {
    const auto text = line();
    if (text == "00" || text == "01") return push(text == "01");
    push(decimal(text));
  }

  void push_long(uint64_t size) {
    const auto bytes = take(size);
    if (size > sizeof(int64_t)) return push(LargeInteger{bytes});
    uint64_t value = 0;
    std::memcpy(&value, bytes.data(), size);
    const unsigned unused = 64 - 8 * static_cast<unsigned>(size);
    push(size == 0 ? int64_t{0} : static_cast<int64_t>(value << unused) >> unused);  // extends the sign
  }

  static decltype(Value::data) decimal(std::string_view text) {
    if (const auto value = parse_integer(text)) return *value;
    return LargeInteger{text};
  }

  // Containers

  template <class T>
  T& top_as(const char* what) {
    T* const container = std::get_if<T>(&top()->data);
    if (container == nullptr) damaged_pickle(what);
    return *container;
  }

  bool top_is_opaque() { return std::get_if<Opaque>(&top()->data) != nullptr; }

  void append(const Values& items) {
    if (top_is_opaque()) return;
    auto& list = top_as<List>("it appends to what is no list").items;
    list.insert(list.end(), items.begin(), items.end());
  }

  void set_items(const Values& items) {
    if (items.size() % 2 != 0) damaged_pickle("a key has no value");
    if (top_is_opaque()) return;
    auto& dict = top_as<Dict>("it sets an item of what is no dict").items;
    for (size_t i = 0; i < items.size(); i += 2) dict.emplace_back(items[i], items[i + 1]);
  }

  void make_dict() {
    const Values items = pop_to_mark();
    push(Dict{});
    set_items(items);
  }

  void add_to_set(const Values&) { top_as<Opaque>("it adds to what is no set"); }

  // Objects

  const Global* find_global_of_lines() {
    const auto module = line();
    return find_global(builder_, module, line());
  }

  void push_global() { push(find_global_of_lines()); }

  void push_global_of_stack() {
    const Values names = pop_items(2);
    const auto* module = get<Text>(*names[0]);
    const auto* name = get<Text>(*names[1]);
    if (module == nullptr || name == nullptr) damaged_pickle("the name of a global is no text");
    push(find_global(builder_, module->bytes, name->bytes));
  }

  void reduce() {
    const Values both = pop_items(2);
    stack_.push_back(call(builder_, *both[0], *both[1]));
  }

  void make_instance(const Global* type) {
    const Value arguments{Tuple{pop_to_mark()}};
    stack_.push_back(call(builder_, Value{type}, arguments));
  }

  void make_object() {
    Values items = pop_to_mark();
    if (items.empty()) damaged_pickle("an object has no class");
    const Value arguments{Tuple{Values(items.begin() + 1, items.end())}};
    stack_.push_back(call(builder_, *items[0], arguments));
  }

  void build() {
    const Value* const state = pop();
    set_state(*top(), *state);
  }

  const std::string_view input_;
  size_t position_ = 0;
  Builder builder_;
  Values stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint32_t, Value*> memo_;
};

}  // namespace

Pickle load(std::string_view input, size_t most_instructions) {
  return Machine(input, most_instructions).run();
}

}  // namespace rcnn::io::pickle
