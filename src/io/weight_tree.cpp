#include "io/weight_tree.h"

#include <array>
#include <optional>
#include <string_view>

#include <spdlog/fmt/fmt.h>

#include "io/refusal.h"
#include "io/utf8.h"

namespace rcnn::io {
namespace {

using pickle::Dict;
using pickle::get;
using pickle::Value;

// Bounds on what a small file of shared or circular values can ask for; models have 5000 tensors at most.
constexpr size_t kMaxVisits = 5'000'000;
constexpr size_t kMaxDepth = 64;
constexpr size_t kMaxTensors = 100'000;
constexpr size_t kMaxName = 1000;

constexpr std::array<std::string_view, 8> kRoots = {"model", "state_dict", "model_state_dict", "model_ema",
                                                    "net",   "network",    "weights",          "blobs"};

/// Where in the tree: the keys of the dicts and the numbers in the lists from the root on.
struct Step {
  const Value* key = nullptr;
  size_t index = 0;
};

std::string_view text_of(const Value& value) {
  const auto* text = get<pickle::Text>(value);
  return text != nullptr ? text->bytes : std::string_view();
}

std::string name_of(const Step& step) {
  if (step.key == nullptr) return fmt::format("{}", step.index);
  if (const auto* number = get<int64_t>(*step.key)) return fmt::format("{}", *number);
  if (get<pickle::Text>(*step.key) == nullptr)
    throw Refusal("the name of a tensor is neither text nor a number");
  const auto text = text_of(*step.key);
  if (!is_utf8(text)) throw Refusal(fmt::format("the name of a tensor is not UTF-8: {}", printable(text)));
  return std::string(text.substr(0, kMaxName + 1));
}

std::string name_of(const std::vector<Step>& path) {
  std::string name;
  for (const auto& step : path) {
    if (!name.empty() || &step != &path.front()) name += '.';
    name += name_of(step);
    if (name.size() > kMaxName)
      throw Refusal(fmt::format("the name of a tensor is too long: {}", printable(name)));
  }
  return name;
}

class Walk {
 public:
  explicit Walk(TensorReader& reader) : reader_(reader) {}

  /// Calls see(tensor's value) for each below `value`, until one returns true. Returns whether one did.
  template <class See>
  bool find(const Value& value, See&& see) {
    if (++visits_ > kMaxVisits) throw Refusal("its dicts and lists have too many entries");
    if (path_.size() > kMaxDepth)
      throw Refusal("its dicts and lists are nested too deeply, or contain themselves");
    if (TensorReader::is_tensor(value)) return see(value);
    if (const auto* dict = get<Dict>(value)) {
      for (const auto& [key, item] : dict->items) {
        if (find_below({.key = key}, *item, see)) return true;
      }
    } else if (const auto* list = get<pickle::List>(value)) {
      return find_in(list->items, see);
    } else if (const auto* tuple = get<pickle::Tuple>(value)) {
      return find_in(tuple->items, see);
    }
    return false;
  }

  bool holds_tensors(const Value& value) {
    return find(value, [](const Value&) { return true; });
  }

  void read_all(const Value& root, std::map<std::string, at::Tensor>& tensors) {
    find(root, [&](const Value& value) {
      read_one(value, tensors);
      return false;
    });
  }

 private:
  template <class See>
  bool find_in(const pickle::Values& items, See& see) {
    for (size_t i = 0; i < items.size(); ++i) {
      if (find_below({.index = i}, *items[i], see)) return true;
    }
    return false;
  }

  template <class See>
  bool find_below(Step step, const Value& value, See& see) {
    path_.push_back(step);
    const bool found = find(value, see);
    path_.pop_back();
    return found;
  }

  void read_one(const Value& value, std::map<std::string, at::Tensor>& tensors) {
    if (path_.empty())
      throw Refusal("is one tensor without a name; save a dict of names: {\"weight\": tensor}");
    const std::string name = name_of(path_);
    try {
      if (tensors.size() == kMaxTensors) throw Refusal("the file has too many");
      if (!tensors.emplace(name, reader_.read(value)).second) throw Refusal("the file has two of this name");
    } catch (const Refusal& refusal) {
      throw Refusal(fmt::format("tensor {}: {}", printable(name), refusal.what()));
    }
  }

  TensorReader& reader_;
  size_t visits_ = 0;
  std::vector<Step> path_;
};

bool has_dimensions(const Value& value) {
  if (const auto* tensor = get<const pickle::Tensor*>(value)) return !(*tensor)->shape.empty();
  if (const auto* array = get<pickle::Array*>(value)) return !(*array)->shape.empty();
  return false;
}

/// The entry that holds the weights; none where the top level itself does. A tensor without dimensions there
/// is no weight: it is the best accuracy so far, or the step.
const std::pair<Value*, Value*>* find_root(const Dict& top, Walk& walk) {
  for (const auto& [key, value] : top.items) {
    if (has_dimensions(*value)) return nullptr;
  }
  for (const auto& name : kRoots) {
    for (const auto& entry : top.items) {
      if (text_of(*entry.first) == name && get<Dict>(*entry.second) && walk.holds_tensors(*entry.second)) {
        return &entry;
      }
    }
  }
  return nullptr;
}

/// A number, a truth value, text or a tensor of one element, as text.
std::optional<std::string> describe(const Value& value, TensorReader& reader) {
  if (const auto* truth = get<bool>(value)) return *truth ? "true" : "false";
  if (const auto* number = get<int64_t>(value)) return fmt::format("{}", *number);
  if (const auto* number = get<double>(value)) return fmt::format("{}", *number);
  if (get<pickle::Text>(value) != nullptr && is_utf8(text_of(value))) return std::string(text_of(value));
  if (!TensorReader::is_tensor(value) || has_dimensions(value)) return std::nullopt;
  const at::Tensor tensor = reader.read(value);
  if (at::isIntegralType(tensor.scalar_type(), /*includeBool=*/true))
    return fmt::format("{}", tensor.item<int64_t>());
  return fmt::format("{}", tensor.item<double>());
}

}  // namespace

void read_tree(const Value& root, TensorReader& reader, size_t file_size, WeightFile& file) {
  Walk walk(reader);
  const auto* top = get<Dict>(root);
  const auto* entry = top != nullptr ? find_root(*top, walk) : nullptr;
  walk.read_all(entry != nullptr ? *entry->second : root, file.tensors);
  if (file.tensors.empty()) throw Refusal("holds no tensors");
  if (entry != nullptr) file.root = text_of(*entry->first);
  if (top == nullptr) return;

  size_t text_allowance = file_size;  // one text can stand in many places
  for (const auto& item : top->items) {
    const auto name = text_of(*item.first);
    if (&item == entry || name.empty() || !is_utf8(name)) continue;
    const bool is_text = get<pickle::Text>(*item.second) != nullptr;
    const size_t length = name.size() + (is_text ? text_of(*item.second).size() : 0);
    if (length > text_allowance) throw Refusal("its texts are longer than it is");
    text_allowance -= length;
    // Where the top level is what is read, its tensors have been.
    if (entry == nullptr && TensorReader::is_tensor(*item.second)) continue;
    if (auto text = describe(*item.second, reader)) {
      if (!file.metadata.emplace(name, *text).second) {
        throw Refusal(fmt::format("it has two entries {}", printable(name)));
      }
    } else if (entry != nullptr) {
      file.left_out.emplace_back(name);
    }
  }
}

}  // namespace rcnn::io
