#include "nn/weights/recognised_names.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include <spdlog/fmt/ranges.h>

#include <rcnn/error.h>
#include <rcnn/printable.h>

#include "io/weight_root.h"
#include "nn/weights/name_parts.h"

namespace rcnn::nn {
namespace {

constexpr std::array<std::string_view, 4> kInnerWrappers = {"_orig_mod", "_fsdp_wrapped_module",
                                                            "_checkpoint_wrapped_module", "_forward_module"};
constexpr std::array<std::string_view, 5> kOuterWrappers = {"module", "model", "net", "network", "detector"};
// What detectors are made of, in torchvision, detectron2 and mmdetection.
constexpr std::string_view kBackbone = "backbone";
constexpr std::array<std::string_view, 6> kHeads = {"rpn",      "roi_heads", "proposal_generator",
                                                    "rpn_head", "roi_head",  "bbox_head"};
// What classification networks begin with.
constexpr std::array<std::string_view, 4> kTrunks = {"layer1", "features", "stem", "res2"};
// What wrappers that average keep beside the weights.
constexpr std::array<std::string_view, 7> kCounters = {"n_averaged", "steps",       "step", "initted",
                                                       "updates",    "num_updates", "decay"};

template <size_t N>
bool is_one_of(std::string_view word, const std::array<std::string_view, N>& words) {
  return std::ranges::find(words, word) != words.end();
}

/// Calls see(begin, part) for the parts of a name from left to right, until it returns true.
template <class See>
void for_each_part(std::string_view name, See see) {
  for (size_t begin = 0; begin < name.size();) {
    const auto part = first_words(name.substr(begin), 1);
    if (see(begin, part)) return;
    begin += part.size() + 1;
  }
}

/// The length of what stands before a detector's part; none in a name without.
std::optional<size_t> before_detector(std::string_view name) {
  std::optional<size_t> found;
  for_each_part(name, [&](size_t begin, std::string_view part) {
    if (part != kBackbone && !is_one_of(part, kHeads)) return false;
    found = begin;
    return true;
  });
  return found;
}

/// The length of the prefix of words that only wrap.
size_t outer_wrappers(std::string_view name) {
  size_t length = 0;
  for_each_part(name, [&](size_t begin, std::string_view part) {
    length = begin;
    return !is_one_of(part, kOuterWrappers);
  });
  return length;
}

/// What a name is without what may stand before it.
std::string_view core(std::string_view name) {
  return name.substr(before_detector(name).value_or(outer_wrappers(name)));
}

/// The prefix that ends with a word for averages, before the network's own names; empty where there is none.
std::string_view averaged_prefix(std::string_view name) {
  const size_t own = before_detector(name).value_or(name.size());
  std::string_view prefix;
  for_each_part(name, [&](size_t begin, std::string_view part) {
    const size_t end = begin + part.size() + 1;
    if (begin >= own || end >= name.size()) return true;
    if (io::is_averaged(part)) prefix = name.substr(0, end);
    return !prefix.empty();
  });
  return prefix;
}

void emplace(TensorMap& tensors, const std::string& name, const at::Tensor& tensor) {
  if (!tensors.emplace(name, tensor).second)
    throw WeightsError(fmt::format("two tensors would be called {}", printable(name)));
}

/// Takes out the parts that wrap from within, and the counters of what averages.
TensorMap without_inner_wrappers(const TensorMap& tensors, RecognisedNames& result) {
  TensorMap plain;
  for (const auto& [name, tensor] : tensors) {
    std::string bare;
    for_each_part(name, [&](size_t, std::string_view part) {
      if (is_one_of(part, kInnerWrappers)) {
        result.wrappers.emplace(part);
      } else {
        (bare += bare.empty() ? "" : ".") += part;
      }
      return false;
    });
    const auto own = core(std::string_view(bare).substr(averaged_prefix(bare).size()));
    if (is_one_of(own, kCounters) && tensor.numel() <= 1) {
      result.left_out.push_back(name);
    } else {
      emplace(plain, bare, tensor);
    }
  }
  return plain;
}

std::string listed(const std::set<std::string>& prefixes) {
  return fmt::format("{}*", fmt::join(prefixes, "*, "));
}

/// The tensors whose names begin with `prefix`, without it; the names of the others go to `others`.
TensorMap below(const TensorMap& tensors, const std::string& prefix, std::vector<std::string>& others) {
  TensorMap result;
  for (const auto& [name, tensor] : tensors) {
    if (name.starts_with(prefix)) {
      result.emplace(name.substr(prefix.size()), tensor);
    } else {
      others.push_back(name);
    }
  }
  return result;
}

/// Tells averaged copies from the weights, and takes one of the two.
TensorMap settle_averages(const TensorMap& tensors, io::Averages averages, RecognisedNames& result) {
  std::map<std::string, TensorMap, std::less<>> copies;
  TensorMap weights;
  std::set<std::string_view> cores;
  for (const auto& [name, tensor] : tensors) {
    const auto prefix = averaged_prefix(name);
    if (prefix.empty()) {
      weights.emplace(name, tensor);
      cores.insert(core(name));
    } else {
      copies[std::string(prefix)].emplace(name, tensor);
    }
  }
  if (cores.empty() && copies.size() == 1) {  // a copy alone
    result.averaged = true;
    result.prefix += copies.begin()->first;
    std::vector<std::string> none;
    return below(tensors, copies.begin()->first, none);
  }
  std::set<std::string> prefixes;
  for (const auto& [prefix, copy] : copies) {
    const auto twins = std::ranges::count_if(copy, [&, length = prefix.size()](const auto& entry) {
      return cores.contains(core(std::string_view(entry.first).substr(length)));
    });
    if (2 * twins >= std::ssize(copy)) {
      prefixes.insert(prefix);
    } else {
      weights.insert(copy.begin(), copy.end());  // a layer whose name has such a word in it
    }
  }
  if (averages == io::Averages::leave_out || prefixes.empty()) {
    result.averages.assign(prefixes.begin(), prefixes.end());
    return weights;
  }
  if (prefixes.size() > 1) {
    throw WeightsError(
        fmt::format("several averaged copies of the weights: {}; choose one: rcnn weights convert "
                    "--drop-prefix {}",
                    listed(prefixes), *prefixes.begin()));
  }
  result.averaged = true;
  result.prefix += *prefixes.begin();
  return below(tensors, *prefixes.begin(), result.left_out);
}

/// The prefixes behind which both a backbone and an RPN or RoI heads are.
std::set<std::string> detectors_in(const TensorMap& tensors) {
  std::map<std::string, std::pair<bool, bool>> parts;
  for (const auto& [name, tensor] : tensors) {
    const auto length = before_detector(name);
    if (!length) continue;
    auto& [backbone, head] = parts[name.substr(0, *length)];
    (first_words(std::string_view(name).substr(*length), 1) == kBackbone ? backbone : head) = true;
  }
  std::set<std::string> detectors;
  for (const auto& [prefix, found] : parts) {
    if (found.first && found.second) detectors.insert(prefix);
  }
  return detectors;
}

/// The wrappers' words before a classification network, or before all names of a network that is unknown
/// here.
std::string wrappers_before(const TensorMap& tensors) {
  std::set<std::string> trunks;
  std::string shared =
      tensors.empty() ? "" : tensors.begin()->first.substr(0, outer_wrappers(tensors.begin()->first));
  for (const auto& [name, tensor] : tensors) {
    const size_t length = outer_wrappers(name);
    if (is_one_of(first_words(std::string_view(name).substr(length), 1), kTrunks))
      trunks.insert(name.substr(0, length));
    while (!name.starts_with(shared)) shared.erase(shared.rfind('.', shared.size() - 2) + 1);
  }
  return trunks.size() == 1 ? *trunks.begin() : shared;
}

}  // namespace

RecognisedNames recognise_names(const TensorMap& tensors, io::Averages averages) {
  RecognisedNames result;
  const auto plain = settle_averages(without_inner_wrappers(tensors, result), averages, result);
  const auto detectors = detectors_in(plain);
  if (detectors.contains("")) {
    for (const auto& [name, tensor] : plain) {
      if (before_detector(name).value_or(0) == 0) {
        result.tensors.emplace(name, tensor);
      } else {
        result.left_out.push_back(name);  // another detector's
      }
    }
    return result;
  }
  if (detectors.size() > 1) {
    throw WeightsError(fmt::format("several detectors: {}; choose one: rcnn weights convert --drop-prefix {}",
                                   listed(detectors), *detectors.begin()));
  }
  const auto prefix = detectors.empty() ? wrappers_before(plain) : *detectors.begin();
  result.prefix += prefix;
  result.tensors = below(plain, prefix, result.left_out);
  return result;
}

RecognisedNames recognise_own_names(const TensorMap& tensors) {
  constexpr std::string_view kParallel = "module.";
  RecognisedNames result;
  result.tensors = without_inner_wrappers(tensors, result);
  if (std::ranges::all_of(result.tensors,
                          [&](const auto& entry) { return entry.first.starts_with(kParallel); })) {
    result.prefix = kParallel;
    result.tensors = below(result.tensors, result.prefix, result.left_out);
  }
  return result;
}

bool rename_older(TensorMap& tensors) {
  const auto insertion = [](const std::string& name) -> std::pair<size_t, const char*> {
    const size_t dot = name.rfind('.');
    const auto leaf = std::string_view(name).substr(dot == std::string::npos ? 0 : dot + 1);
    if (dot == std::string::npos || (leaf != "weight" && leaf != "bias")) return {0, ""};
    const auto owner = std::string_view(name).substr(0, dot);
    const auto is_at_the_end = [&](std::string_view path) {
      return owner == path || (owner.ends_with(path) && owner[owner.size() - path.size() - 1] == '.');
    };
    if (is_at_the_end("rpn.head.conv")) return {dot, ".0.0"};
    const size_t number = owner.find_last_not_of("0123456789") + 1;
    if (number == 0 || number == owner.size() || owner[number - 1] != '.') return {0, ""};
    const auto list = owner.substr(0, number - 1);
    const auto last = list.substr(list.rfind('.') + 1);
    return last == "inner_blocks" || last == "layer_blocks" ? std::pair(dot, ".0") : std::pair(size_t{0}, "");
  };
  TensorMap renamed;
  bool found = false;
  for (const auto& [name, tensor] : tensors) {
    const auto [at, what] = insertion(name);
    auto present = name;
    present.insert(at, what);
    found |= at > 0;
    emplace(renamed, present, tensor);
  }
  tensors = std::move(renamed);
  return found;
}

}  // namespace rcnn::nn
