#include "io/weight_root.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include <spdlog/fmt/ranges.h>

#include "io/pickle/pickle_arguments.h"
#include "io/refusal.h"
#include "text.h"
#include "utf8.h"

namespace rcnn::io {
namespace {

using pickle::Dict;
using pickle::get;
using pickle::Value;
using DictEntry = std::pair<Value*, Value*>;

// What is looked through: a checkpoint in a checkpoint, weights in dicts of dicts.
constexpr size_t kMaxLevels = 3;
constexpr int kMaxRootDepth = 8;
constexpr size_t kMaxRootVisits = 1'000'000;

constexpr std::array<std::string_view, 13> kRoots = {
    "model",    "state_dict", "model_state_dict", "model_state", "module", "net",    "network",
    "detector", "weights",    "model_weights",    "params",      "blobs",  "student"};

constexpr std::array<std::string_view, 6> kAverageWords = {"ema",      "swa",     "avg",
                                                           "averaged", "average", "polyak"};

constexpr std::array<std::string_view, 20> kBesideWords = {
    "optimizer", "optimizers", "optim",  "scheduler", "schedulers", "scaler",   "callbacks",
    "loops",     "rng",        "random", "hparams",   "hyper",      "meta",     "message",
    "args",      "config",     "cfg",    "history",   "metrics",    "criterion"};

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// Whether one of the words that make up `name` is among `words`: model_ema and modelEMA have ema.
bool has_word(std::string_view name, std::span<const std::string_view> words) {
  std::string word;
  for (size_t i = 0; i <= name.size(); ++i) {
    const bool letter = i < name.size() && is_letter(name[i]);
    const bool upper = letter && name[i] <= 'Z';
    const bool begins = upper && i > 0 && is_letter(name[i - 1]) && name[i - 1] >= 'a';
    if (!letter || begins) {
      if (std::ranges::find(words, lower(word)) != words.end()) return true;
      word.clear();
    }
    if (letter) word += name[i];
  }
  return false;
}

class Finder {
 public:
  /// Goes on from the weights found so far into a dict of theirs that holds them all.
  void descend(WeightRoot& found) {
    while (found.levels.size() < kMaxLevels) {
      const auto* dict = get<Dict>(*found.weights);
      const DictEntry* entry = dict != nullptr ? choose(*dict, found.levels.empty()) : nullptr;
      if (entry == nullptr) return;
      found.averaged |= is_averaged(key_text(*entry->first));
      found.levels.push_back({found.path, dict, entry->second});
      found.path = below(found.path, key_text(*entry->first));
      found.weights = entry->second;
    }
  }

  /// The averaged copies in `dict` and in what it holds, but for the entry that `skip` is.
  void collect(const Dict& dict, const std::vector<WeightRoot::Level>& levels, const std::string& path,
               const Value* skip, std::vector<WeightRoot>& copies) {
    charge(dict.items.size());
    for (const auto& [key, value] : dict.items) {
      const auto* inner = get<Dict>(*value);
      if (value == skip || inner == nullptr) continue;
      WeightRoot copy{.levels = levels,
                      .path = below(path, key_text(*key)),
                      .weights = value,
                      .averaged = true,
                      .averages = {}};
      copy.levels.push_back({path, &dict, value});
      if (!is_averaged(key_text(*key))) {
        if (copy.levels.size() < kMaxLevels) collect(*inner, copy.levels, copy.path, nullptr, copies);
      } else if (holds_weights(*value)) {
        copies.push_back(std::move(copy));
      }
    }
  }

 private:
  void charge(size_t visits) {
    visits_ += visits;
    if (visits_ > kMaxRootVisits) throw Refusal("its dicts and lists have too many entries");
  }

  bool holds_weights(const Value& value, int depth = 0) {
    charge(1);
    if (depth > kMaxRootDepth) return false;
    if (const auto* dict = get<Dict>(value)) {
      return std::ranges::any_of(
          dict->items, [&](const DictEntry& entry) { return holds_weights(*entry.second, depth + 1); });
    }
    if (const auto* items = pickle::items_of(value)) {
      return std::ranges::any_of(*items, [&](const Value* item) { return holds_weights(*item, depth + 1); });
    }
    return has_dimensions(value);
  }

  /// The first of kRoots that holds weights; null where none does.
  const DictEntry* find_root(const Dict& dict) {
    charge(dict.items.size());
    std::array<const DictEntry*, kRoots.size()> found{};
    for (const auto& entry : dict.items) {
      const auto root = std::ranges::find(kRoots, key_text(*entry.first));
      if (root == kRoots.end() || get<Dict>(*entry.second) == nullptr) continue;
      auto& first = found[static_cast<size_t>(root - kRoots.begin())];
      if (first == nullptr) first = &entry;
    }
    const auto first = std::ranges::find_if(
        found, [&](const DictEntry* entry) { return entry != nullptr && holds_weights(*entry->second); });
    return first == found.end() ? nullptr : *first;
  }

  /// Whether no other entry holds weights of the network; an averaged copy counts beside another.
  bool is_alone(const Dict& dict, const DictEntry& only) {
    const bool averaged = is_averaged(key_text(*only.first));
    charge(dict.items.size());
    return std::ranges::none_of(dict.items, [&](const DictEntry& entry) {
      const auto key = key_text(*entry.first);
      return &entry != &only && !is_beside(key) && (averaged || !is_averaged(key)) &&
             holds_weights(*entry.second);
    });
  }

  /// The entry that the weights lie in; null where it is the dict itself.
  const DictEntry* choose(const Dict& dict, bool is_file) {
    const DictEntry* const root = find_root(dict);
    if (root != nullptr && (is_file || is_alone(dict, *root))) return root;
    for (const auto& entry : dict.items) {
      const auto key = key_text(*entry.first);
      const auto* inner = get<Dict>(*entry.second);
      if (inner == nullptr || is_beside(key)) continue;
      const bool holds = is_averaged(key) ? holds_weights(*entry.second) : find_root(*inner) != nullptr;
      if (holds && is_alone(dict, entry)) return &entry;
    }
    return nullptr;
  }

  size_t visits_ = 0;
};

/// The copy that a dict has in the place of the weights while those that learn lie where others have
/// averages: mmengine's EMAHook exchanges the two when it saves. Null where nothing is exchanged.
const Value* exchanged(const Dict& dict) {
  const Value* const meta = find_key(dict, "meta");
  const auto* about = meta != nullptr ? get<Dict>(*meta) : nullptr;
  if (about == nullptr || find_key(*about, "mmengine_version") == nullptr) return nullptr;
  return find_key(dict, "ema_state_dict");
}

/// Lightning's WeightAveraging saves averages as the weights, too, and what learns under another name.
bool is_lightnings_average(const Dict& dict) {
  return find_key(dict, "current_model_state") != nullptr && find_key(dict, "averaging_state") != nullptr;
}

}  // namespace

std::string below(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

const Value* find_key(const Dict& dict, std::string_view name) {
  const auto found = std::ranges::find_if(
      dict.items, [&](const DictEntry& entry) { return key_text(*entry.first) == name; });
  return found == dict.items.end() ? nullptr : found->second;
}

bool is_averaged(std::string_view name) {
  return has_word(name, kAverageWords);
}

bool is_beside(std::string_view key) {
  return has_word(key, kBesideWords);
}

std::string key_text(const Value& key) {
  if (const auto* number = get<int64_t>(key)) return fmt::format("{}", *number);
  const auto* text = get<pickle::Text>(key);
  return text != nullptr && is_utf8(text->bytes) ? std::string(text->bytes.substr(0, 1000)) : std::string();
}

bool has_dimensions(const Value& value) {
  if (const auto* tensor = get<const pickle::Tensor*>(value)) return !(*tensor)->shape.empty();
  if (const auto* array = get<pickle::Array*>(value)) return !(*array)->shape.empty();
  return false;
}

WeightRoot find_weights(const Value& root, Averages averages) {
  Finder finder;
  WeightRoot found{.levels = {}, .path = {}, .weights = &root, .averaged = false, .averages = {}};
  finder.descend(found);
  std::vector<WeightRoot> copies;
  const auto* top = get<Dict>(root);
  if (top == nullptr) return found;
  if (found.levels.empty()) finder.collect(*top, {}, "", nullptr, copies);
  for (size_t i = 0; i < found.levels.size(); ++i) {
    const auto& [path, dict, next] = found.levels[i];
    finder.collect(*dict, {found.levels.begin(), found.levels.begin() + static_cast<ptrdiff_t>(i)}, path,
                   next, copies);
    if (is_lightnings_average(*dict)) found.averaged = true;
    const Value* const learning = exchanged(*dict);
    if (learning != nullptr && learning != next) {
      found.averaged = true;
      std::erase_if(copies, [&](const WeightRoot& copy) { return copy.weights == learning; });
    }
  }
  if (averages == Averages::take && !found.averaged && !copies.empty()) {
    if (copies.size() > 1) {
      std::vector<std::string> names;
      for (const auto& copy : copies) names.push_back(copy.path);
      throw Refusal(
          fmt::format("holds several averaged copies of its weights: {}; save the one that is meant alone",
                      excerpt(fmt::format("{}", fmt::join(names, ", ")))));
    }
    found = std::move(copies.front());
    copies.clear();
    finder.descend(found);
  }
  for (auto& copy : copies) found.averages.push_back({std::move(copy.path), copy.weights});
  return found;
}

}  // namespace rcnn::io
