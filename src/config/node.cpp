#include <algorithm>
#include <numeric>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <rcnn/config/node.h>

#include "config/document.h"
#include "config/suggestion.h"

namespace rcnn::config {
namespace {

std::string must_be(std::string_view wanted, const Json& found) {
  const std::string shown = found.is_object() ? "an object" : found.is_array() ? "a list" : found.dump();
  return fmt::format("must be {}, not {}", wanted, shown);
}

std::string out_of(Range range, const Json& found) {
  constexpr Range kAll;
  if (range.min == kAll.min) return must_be(fmt::format("at most {}", range.max), found);
  if (range.max == kAll.max) return must_be(fmt::format("at least {}", range.min), found);
  return must_be(fmt::format("between {} and {}", range.min, range.max), found);
}

bool holds(Range range, double value) {
  return range.min <= value && value <= range.max;
}

// assign() stores `found` in `value`, or leaves it and says what is wrong with it.

std::string assign(bool& value, const Json& found, Range) {
  if (!found.is_boolean()) return must_be("true or false", found);
  value = found;
  return "";
}

std::string assign(int64_t& value, const Json& found, Range range) {
  if (!found.is_number_integer()) return must_be("an integer", found);
  if (!holds(range, found)) return out_of(range, found);
  value = found;
  return "";
}

std::string assign(double& value, const Json& found, Range range) {
  if (!found.is_number()) return must_be("a number", found);
  if (!holds(range, found)) return out_of(range, found);
  value = found;
  return "";
}

std::string assign(std::string& value, const Json& found, Range) {
  if (!found.is_string()) return must_be("a string", found);
  value = found;
  return "";
}

template <class T>
std::string assign(std::vector<T>& value, const Json& found, Range range) {
  if (!found.is_array()) return must_be("a list", found);
  std::vector<T> list(found.size());
  for (size_t i = 0; i < list.size(); ++i) {
    if (const auto wrong = assign(list[i], found[i], range); !wrong.empty()) {
      return fmt::format("element {} {}", i + 1, wrong);
    }
  }
  value = std::move(list);
  return "";
}

template <class T>
void read_key(const Document& document, const std::string& path, std::string_view key, T& value,
              Range range = {}) {
  document.mark_asked(path, key);
  const std::string full = join_key(path, key);
  const Json* found = document.find(full);
  if (!found) return;
  if (const auto wrong = assign(value, *found, range); !wrong.empty()) throw document.error(full, wrong);
}

}  // namespace

Node::Node(std::shared_ptr<const Document> document, std::string path)
    : document_(std::move(document)), path_(std::move(path)) {}

bool Node::has(std::string_view key) const {
  document_->mark_asked(path_, key);
  return document_->find(join_key(path_, key)) != nullptr;
}

void Node::read(std::string_view key, bool& value) const {
  read_key(*document_, path_, key, value);
}

void Node::read(std::string_view key, int64_t& value, Range range) const {
  read_key(*document_, path_, key, value, range);
}

void Node::read(std::string_view key, double& value, Range range) const {
  read_key(*document_, path_, key, value, range);
}

void Node::read(std::string_view key, std::string& value) const {
  read_key(*document_, path_, key, value);
}

void Node::read(std::string_view key, std::vector<int64_t>& value, Range range) const {
  read_key(*document_, path_, key, value, range);
}

void Node::read(std::string_view key, std::vector<double>& value, Range range) const {
  read_key(*document_, path_, key, value, range);
}

void Node::read(std::string_view key, std::vector<std::string>& value) const {
  read_key(*document_, path_, key, value);
}

size_t Node::one_of(std::string_view key, const std::vector<std::string_view>& words) const {
  const std::string word = require(key);
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end()) {
    throw error(key, fmt::format("must be one of {}, not {}{}", fmt::join(words, ", "), word,
                                 suggestion(word, words)));
  }
  return found - words.begin();
}

std::string Node::require(std::string_view key) const {
  if (!has(key)) throw error(key, "is required");
  std::string value;
  read(key, value);
  return value;
}

Node Node::child(std::string_view key) const {
  document_->mark_asked(path_, key);
  const std::string path = join_key(path_, key);
  const Json* found = document_->find(path);
  if (found && !found->is_object()) throw document_->error(path, must_be("an object", *found));
  return {document_, path};
}

bool Node::is_list(std::string_view key) const {
  const Json* found = has(key) ? document_->find(join_key(path_, key)) : nullptr;
  return found && found->is_array();
}

bool Node::is_object(std::string_view key) const {
  const Json* found = has(key) ? document_->find(join_key(path_, key)) : nullptr;
  return found && found->is_object();
}

std::vector<Node> Node::list(std::string_view key) const {
  std::vector<Node> nodes;
  if (!has(key)) return nodes;
  const std::string path = join_key(path_, key);
  const Json* found = document_->find(path);
  if (!found->is_array()) throw document_->error(path, must_be("a list", *found));
  for (size_t i = 0; i < found->size(); ++i) {
    const auto element = join_key(path, std::to_string(i + 1));
    if (!(*found)[i].is_object()) throw document_->error(element, must_be("an object", (*found)[i]));
    nodes.push_back({document_, element});
  }
  return nodes;
}

std::vector<std::string> Node::keys() const {
  std::vector<std::string> keys;
  if (const Json* object = document_->find(path_)) {
    for (const auto& [key, value] : object->items()) keys.push_back(key);
  }
  for (const auto& key : keys) document_->mark_asked(path_, key);
  return keys;
}

void Node::finish(std::string_view choice) const {
  const Json* object = document_->find(path_);
  if (!object) return;
  const std::set<std::string> known = document_->asked(path_);
  for (const auto& [key, value] : object->items()) {
    if (known.contains(key)) continue;
    const auto nearest = suggestion(key, known);
    if (choice.empty()) throw error(key, "unknown key" + nearest);
    throw error(key, fmt::format("unknown key: {} has none{}", choice,
                                 nearest.empty() ? "; " + way_out(key) : nearest));
  }
}

std::string Node::way_out(std::string_view key) const {
  return fmt::format("{}=null takes an inherited one away", join_key(path_, key));
}

void Node::refuse(std::initializer_list<std::string_view> keys, std::string_view choice) const {
  for (const auto key : keys) {
    if (has(key)) throw error(key, fmt::format("has no meaning with {}; {}", choice, way_out(key)));
  }
}

ConfigError Node::error(std::string_view key, std::string_view what) const {
  return document_->error(join_key(path_, key), what);
}

}  // namespace rcnn::config
