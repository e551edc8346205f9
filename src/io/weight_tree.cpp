#include "io/weight_tree.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include <spdlog/fmt/ranges.h>

#include "io/pickle/pickle_arguments.h"
#include "io/refusal.h"
#include "io/weight_root.h"
#include "utf8.h"

namespace rcnn::io {
namespace {

using pickle::Dict;
using pickle::get;
using pickle::unknown_maker;
using pickle::Value;

// Bounds on what a small file of shared or circular values can ask for; models have 5000 tensors at most.
constexpr size_t kMaxTreeVisits = 5'000'000;
constexpr size_t kMaxTreeDepth = 64;
constexpr size_t kMaxTensors = 100'000;
constexpr size_t kMaxName = 1000;

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
  if (!is_utf8(text)) throw Refusal(fmt::format("the name of a tensor is not UTF-8: {}", excerpt(text)));
  return std::string(text.substr(0, kMaxName + 1));
}

std::string name_of(const std::vector<Step>& path) {
  std::string name;
  for (const auto& step : path) {
    if (!name.empty() || &step != &path.front()) name += '.';
    name += name_of(step);
    if (name.size() > kMaxName)
      throw Refusal(fmt::format("the name of a tensor is too long: {}", excerpt(name)));
  }
  return name;
}

/// Reads the tensors below a value under the names of their places.
class Walk {
 public:
  Walk(TensorReader& reader, std::map<std::string, at::Tensor>& tensors)
      : reader_(reader), tensors_(tensors) {}

  void read(const Value& value) {
    if (++visits_ > kMaxTreeVisits) throw Refusal("its dicts and lists have too many entries");
    if (path_.size() > kMaxTreeDepth)
      throw Refusal("its dicts and lists are nested too deeply, or contain themselves");
    if (TensorReader::is_tensor(value)) return read_tensor(value);
    if (const auto maker = unknown_maker(value); !maker.empty()) refuse_object(maker);
    if (const auto* dict = get<Dict>(value)) {
      for (const auto& [key, item] : dict->items) read_below({.key = key}, *item);
    } else if (const auto* items = pickle::items_of(value)) {
      for (size_t i = 0; i < items->size(); ++i) read_below({.index = i}, *(*items)[i]);
    }
  }

  void read_below(Step step, const Value& value) {
    path_.push_back(step);
    read(value);
    path_.pop_back();
  }

 private:
  void read_tensor(const Value& value) {
    if (path_.empty())
      throw Refusal("is one tensor without a name; save a dict of names: {\"weight\": tensor}");
    const std::string name = name_of(path_);
    try {
      if (tensors_.size() == kMaxTensors) throw Refusal("the file has too many");
      if (!tensors_.emplace(name, reader_.read(value)).second) throw Refusal("the file has two of this name");
    } catch (const Refusal& refusal) {
      throw Refusal(fmt::format("tensor {}: {}", excerpt(name), refusal.what()));
    }
  }

  [[noreturn]] void refuse_object(std::string_view maker) const {
    const auto what =
        path_.empty() ? "is as a whole" : fmt::format("among its weights {} is", excerpt(name_of(path_)));
    throw Refusal(fmt::format(
        "{} a Python object ({}), which could run code and is not read; where its code is, save the "
        "weights alone: torch.save(model.state_dict(), file)",
        what, excerpt(maker)));
  }

  TensorReader& reader_;
  std::map<std::string, at::Tensor>& tensors_;
  size_t visits_ = 0;
  std::vector<Step> path_;
};

/// A number, a truth value, text or a tensor of one element, as text.
std::optional<std::string> describe(const Value& value, TensorReader& reader) {
  if (const auto* truth = get<bool>(value)) return *truth ? "true" : "false";
  if (const auto* number = get<int64_t>(value)) return fmt::format("{}", *number);
  if (const auto* number = get<double>(value)) return fmt::format("{}", *number);
  if (get<pickle::Text>(value) != nullptr && is_utf8(text_of(value))) return std::string(text_of(value));
  if (!TensorReader::is_tensor(value) || has_dimensions(value)) return std::nullopt;
  try {
    const at::Tensor tensor = reader.read(value);
    if (at::isIntegralType(tensor.scalar_type(), /*includeBool=*/true))
      return fmt::format("{}", tensor.item<int64_t>());
    return fmt::format("{}", tensor.item<double>());
  } catch (const Refusal&) {
    return std::nullopt;  // a date, a complex number: left out as others beside the weights are
  }
}

/// Fills metadata and left_out from what lies beside the weights.
class Beside {
 public:
  /// One text can stand in many places: all are at most as long as the file.
  Beside(TensorReader& reader, size_t file_size, WeightFile& file)
      : reader_(reader), text_allowance_(file_size), file_(file) {}

  void add(const std::string& name, const Value& value) {
    const bool is_text = get<pickle::Text>(value) != nullptr;
    const size_t length = name.size() + (is_text ? text_of(value).size() : 0);
    if (length > text_allowance_) throw Refusal("its texts are longer than it is");
    text_allowance_ -= length;
    if (auto text = describe(value, reader_)) {
      if (!file_.metadata.emplace(name, *text).second) {
        throw Refusal(fmt::format("it has two entries {}", excerpt(name)));
      }
    } else {
      file_.left_out.push_back(name);
    }
  }

 private:
  TensorReader& reader_;
  size_t text_allowance_;
  WeightFile& file_;
};

bool is_among(const std::vector<WeightRoot::Copy>& copies, const Value* value) {
  return std::ranges::find(copies, value, &WeightRoot::Copy::value) != copies.end();
}

/// A dict of weights that has neither a name nor a dict around it: what is a number or a text in it, and what
/// a training calls by a name of its own, is beside the weights.
void read_top(const Dict& top, const WeightRoot& root, Walk& walk, Beside& beside) {
  for (const auto& [key, value] : top.items) {
    const auto name = key_text(*key);
    const bool holds = get<Dict>(*value) != nullptr || pickle::items_of(*value) != nullptr;
    const bool left_out = !unknown_maker(*value).empty() || holds;
    if (is_among(root.averages, value)) continue;
    if (left_out && name.find('.') == std::string::npos && is_beside(name)) {
      beside.add(name, *value);
      continue;
    }
    walk.read_below({.key = key}, *value);
    const bool plain =
        get<bool>(*value) || get<int64_t>(*value) || get<double>(*value) || get<pickle::Text>(*value);
    if (plain && !name.empty()) beside.add(name, *value);
  }
}

}  // namespace

void read_tree(const Value& root, TensorReader& reader, size_t file_size, Averages averages,
               WeightFile& file) {
  const auto found = find_weights(root, averages);
  Walk walk(reader, file.tensors);
  Beside beside(reader, file_size, file);
  const auto* top = get<Dict>(root);
  if (found.levels.empty() && top != nullptr) {
    read_top(*top, found, walk, beside);
  } else {
    walk.read(*found.weights);
  }
  if (file.tensors.empty()) {
    std::vector<std::string> copies;
    for (const auto& copy : found.averages) copies.push_back(copy.path);
    throw Refusal(copies.empty() ? "holds no tensors"
                                 : fmt::format("holds no tensors but averaged copies of weights: {}",
                                               excerpt(fmt::format("{}", fmt::join(copies, ", ")))));
  }
  file.root = found.path;
  file.averaged = found.averaged;
  for (const auto& copy : found.averages) file.averages.push_back(copy.path);
  for (const auto& level : found.levels) {
    for (const auto& [key, value] : level.dict->items) {
      const auto name = key_text(*key);
      if (value == level.next || name.empty() || is_among(found.averages, value)) continue;
      beside.add(below(level.path, name), *value);
    }
  }
}

}  // namespace rcnn::io
