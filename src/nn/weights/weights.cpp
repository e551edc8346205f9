#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include <spdlog/fmt/ranges.h>
#include <torch/torch.h>

#include <rcnn/nn/models/model.h>
#include <rcnn/nn/weights/weights.h>
#include <rcnn/printable.h>

#include "config/name_pattern.h"
#include "nn/weights/name_parts.h"

namespace rcnn::nn {
namespace {

struct Copy {
  std::string name;
  at::Tensor to, from;
};

void run(const std::vector<Copy>& copies, const std::string& origin) {
  TensorMap all;
  for (const auto& [name, to, from] : copies) all.emplace(name, from);
  check_finite(all, origin);
  const torch::NoGradGuard no_grad;
  for (const auto& [name, to, from] : copies) at::Tensor(to).copy_(from);
}

/// Values that are not finite. A sum of finite ones seldom overflows, and is not finite where one of them is
/// not: it costs a pass over the tensor, and no memory.
int64_t count_not_finite(const at::Tensor& tensor) {
  if (std::isfinite(tensor.sum().item<double>())) return 0;
  return tensor.numel() - tensor.isfinite().sum().item<int64_t>();
}

bool fits(const at::Tensor& want, const at::Tensor& got) {
  return want.sizes() == got.sizes() && want.is_floating_point() == got.is_floating_point();
}

std::string difference(const std::string& name, const at::Tensor& want, const at::Tensor& got) {
  if (want.sizes() == got.sizes()) {
    return fmt::format("{} {}, the file has {}", name, at::toString(want.scalar_type()),
                       at::toString(got.scalar_type()));
  }
  return fmt::format("{} [{}], the file has [{}]", name, fmt::join(want.sizes(), ", "),
                     fmt::join(got.sizes(), ", "));
}

void append(std::string& message, const char* what, const std::vector<std::string>& names) {
  if (!names.empty()) message += printable(fmt::format("; {}: {}", what, fmt::join(names, ", ")));
}

bool depends_on_classes(const torch::nn::Module& module, const std::string& name) {
  const auto* const model = dynamic_cast<const ModelImpl*>(&module);
  return model && model->depends_on_classes(name);
}

/// The module, if it is a model with parts that only its losses need, and `tensors` have nothing of them.
ModelImpl* model_without_training_parts(torch::nn::Module& module, const TensorMap& state,
                                        const TensorMap& tensors) {
  auto* const model = dynamic_cast<ModelImpl*>(&module);
  const auto has_some = [&](const TensorMap& map) {
    return std::ranges::any_of(map, [&](const auto& entry) { return model->only_trains(entry.first); });
  };
  return model && has_some(state) && !has_some(tensors) ? model : nullptr;
}

/// A number for torch.nn.BatchNorm's momentum None, which is not used here; old files lack it.
bool is_batch_counter(const std::string& name) {
  return name.ends_with(".num_batches_tracked");
}

template <class See>
void for_each_tensor(const torch::nn::Module& module, See see) {
  for (const auto& item : module.named_parameters()) see(item.key(), item.value());
  for (const auto& item : module.named_buffers()) see(item.key(), item.value());
}

/// `tensors` under the names that state_of() has: those that mean the same tensor of the module are one.
TensorMap under_first_names(const torch::nn::Module& module, const TensorMap& tensors,
                            const std::string& origin) {
  std::map<const at::TensorImpl*, std::string> first;
  std::map<std::string, std::string> others;
  for_each_tensor(module, [&](const std::string& name, const at::Tensor& tensor) {
    const auto [known, is_new] = first.emplace(tensor.unsafeGetTensorImpl(), name);
    if (!is_new) others.emplace(name, known->second);
  });
  if (others.empty()) return tensors;
  TensorMap result;
  std::map<std::string, std::string> source;
  for (const auto& [name, tensor] : tensors) {
    const auto other = others.find(name);
    const auto& own = other == others.end() ? name : other->second;
    const auto [there, is_new] = result.emplace(own, tensor);
    if (is_new) {
      source.emplace(own, name);
    } else if (there->second.sizes() != tensor.sizes() || !at::equal(there->second, tensor)) {
      throw WeightsError(
          fmt::format("{}: {} and {} are one tensor of the model, and are not equal in the file", origin,
                      source.at(own), name));
    }
  }
  return result;
}

/// The prefix that most pairs of names (longer, shorter) differ by, and how many do.
std::pair<std::string, int> most_common_prefix(const TensorMap& longer, const TensorMap& shorter) {
  std::map<std::string, int> votes;
  for (const auto& [name, tensor] : longer) {
    for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
      if (shorter.contains(name.substr(dot + 1))) ++votes[name.substr(0, dot + 1)];
    }
  }
  const auto best = std::max_element(votes.begin(), votes.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  if (best == votes.end()) return {};
  return {best->first, best->second};
}

/// What the user can do when names match but for a prefix; empty when that is not it.
std::string suggestion(const TensorMap& state, const TensorMap& tensors) {
  const auto matching = std::count_if(tensors.begin(), tensors.end(),
                                      [&](const auto& entry) { return state.contains(entry.first); });
  const auto [dropped, with_dropped] = most_common_prefix(tensors, state);
  const auto [added, with_added] = most_common_prefix(state, tensors);
  if (std::max(with_dropped, with_added) <= matching) return "";
  const bool drop = with_dropped >= with_added;
  return fmt::format("; {} of its {} names match {} the prefix '{}': rcnn weights convert {} {}",
                     drop ? with_dropped : with_added, tensors.size(), drop ? "without" : "behind",
                     drop ? dropped : added, drop ? "--drop-prefix" : "--add-prefix", drop ? dropped : added);
}

/// Where a name of a file may have its place in a detector.
std::vector<std::string> places(const std::string& name) {
  static const std::array<std::pair<std::string, std::string>, 6> prefixes = {
      {{"", ""},
       {"", "backbone.body."},
       {"fc6.", "roi_heads.box_head.fc6."},
       {"fc7.", "roi_heads.box_head.fc7."},
       {"classifier.0.", "roi_heads.box_head.fc6."},
       {"classifier.3.", "roi_heads.box_head.fc7."}}};
  std::vector<std::string> result;
  for (const auto& [from, to] : prefixes) {
    if (name.starts_with(from)) result.push_back(to + name.substr(from.size()));
  }
  if (name.starts_with("layer4.")) result.push_back("roi_heads.box_head." + name);
  return result;
}

/// What the module's parts derive from what is copied into it, for the names that `state` still has.
std::vector<Copy> derived_from(const std::vector<Copy>& copies, const torch::nn::Module& module,
                               const TensorMap& state) {
  TensorMap tensors;
  for (const auto& copy : copies) tensors.emplace(copy.name, copy.from);
  const auto ask = [&](const torch::nn::Module& part, const std::string& prefix) {
    if (const auto* deriving = dynamic_cast<const DerivesWeights*>(&part)) deriving->derive(prefix, tensors);
  };
  ask(module, "");
  // The module itself may be on the stack, where torch cannot share it.
  for (const auto& item : module.named_modules("", /*include_self=*/false)) {
    ask(*item.value(), item.key() + ".");
  }
  std::vector<Copy> derived;
  for (const auto& [name, tensor] : state) {
    const auto found = tensors.find(name);
    if (found != tensors.end() && fits(tensor, found->second))
      derived.push_back({name, tensor, found->second});
  }
  return derived;
}

}  // namespace

TensorMap state_of(const torch::nn::Module& module) {
  TensorMap state;
  std::set<const at::TensorImpl*> seen;
  for_each_tensor(module, [&](const std::string& name, const at::Tensor& tensor) {
    if (seen.insert(tensor.unsafeGetTensorImpl()).second) state.emplace(name, tensor);
  });
  return state;
}

void check_finite(const TensorMap& tensors, const std::string& origin) {
  constexpr size_t kShown = 8;
  const torch::NoGradGuard no_grad;
  std::vector<std::string> found;
  for (const auto& [name, tensor] : tensors) {
    if (!tensor.is_floating_point()) continue;
    const auto told = [&](int64_t count, const char* what) {
      if (count > 0)
        found.push_back(printable(fmt::format("{} ({} of {} {})", name, count, tensor.numel(), what)));
      return count > 0;
    };
    if (told(count_not_finite(tensor), "NaN or infinite") || tensor.scalar_type() != at::kDouble) continue;
    told(count_not_finite(tensor.to(at::kFloat)), "beyond float32's range");
  }
  if (found.empty()) return;
  const auto more = found.size() > kShown ? fmt::format(" and {} more", found.size() - kShown) : "";
  found.resize(std::min(found.size(), kShown));
  throw WeightsError(
      fmt::format("{}: has values that are no finite numbers: {}{}; they are of a training that diverged, or "
                  "damaged: take earlier ones",
                  origin, fmt::join(found, ", "), more));
}

LoadReport load_state(torch::nn::Module& module, const TensorMap& given, const std::string& origin,
                      Classes classes) {
  const auto tensors = under_first_names(module, given, origin);
  LoadReport report;
  std::vector<std::string> missing, unexpected, misshaped;
  std::vector<Copy> copies;
  const auto state = state_of(module);
  auto* const only_inferring = model_without_training_parts(module, state, tensors);
  for (const auto& [name, tensor] : state) {
    if (only_inferring && only_inferring->only_trains(name)) continue;
    const auto found = tensors.find(name);
    if (found != tensors.end() && fits(tensor, found->second)) {
      copies.push_back({name, tensor, found->second});
      report.loaded.push_back(name);
      continue;
    }
    if (found == tensors.end() && is_batch_counter(name)) continue;
    report.fresh.push_back(name);
    if (found == tensors.end()) {
      missing.push_back(name);
    } else if (classes == Classes::any && depends_on_classes(module, name)) {
      report.unused.push_back(name);
    } else {
      misshaped.push_back(difference(name, tensor, found->second));
    }
  }
  for (const auto& [name, tensor] : tensors) {
    if (state.contains(name) || is_batch_counter(name)) continue;
    report.unused.push_back(name);
    unexpected.push_back(name);
  }
  if (!missing.empty() || !unexpected.empty() || !misshaped.empty()) {
    std::string message = origin + ": does not fit the model";
    append(message, "missing", missing);
    append(message, "unexpected", unexpected);
    append(message, "of another shape or type", misshaped);
    throw WeightsError(message + suggestion(state, tensors));
  }
  run(copies, origin);
  if (only_inferring) only_inferring->drop_training_parts();
  return report;
}

LoadReport load_initial(torch::nn::Module& module, const TensorMap& given, const std::string& origin,
                        std::span<const std::string> only) {
  const auto is_left_out = [&](const std::string& place) {
    return !only.empty() && !config::any_matches(only, place);
  };
  const auto tensors = under_first_names(module, given, origin);
  LoadReport report;
  std::vector<std::string> misshaped;
  std::vector<Copy> copies;
  const auto whole_state = state_of(module);
  auto state = whole_state;
  for (const auto& [name, tensor] : tensors) {
    bool used = false;
    for (const auto& place : places(name)) {
      const auto found = state.find(place);
      if (found == state.end()) continue;
      if (is_left_out(place)) {
        used = true;
      } else if (fits(found->second, tensor)) {
        copies.push_back({place, found->second, tensor});
        report.loaded.push_back(place);
        state.erase(found);
        used = true;
      } else if (!depends_on_classes(module, place)) {
        misshaped.push_back(difference(place, found->second, tensor));
      }
      break;
    }
    if (!used && !is_batch_counter(name)) report.unused.push_back(name);
  }
  for (auto& copy : derived_from(copies, module, state)) {
    state.erase(copy.name);
    report.derived.push_back(copy.name);
    copies.push_back(std::move(copy));
  }
  for (const auto& entry : state) {
    if (!is_batch_counter(entry.first)) report.fresh.push_back(entry.first);
  }
  if (!misshaped.empty()) {
    throw WeightsError(fmt::format("{}: does not fit the model; of another shape or type: {}", origin,
                                   fmt::join(misshaped, ", ")));
  }
  if (copies.empty() && only.empty()) {
    throw WeightsError(fmt::format("{}: none of its {} names belongs to the model; it has {}{}", origin,
                                   tensors.size(), counted_parts(report.unused),
                                   suggestion(whole_state, tensors)));
  }
  run(copies, origin);
  return report;
}

std::string_view first_words(std::string_view name, int count) {
  size_t end = name.find('.');
  for (int word = 1; word < count && end != std::string_view::npos; ++word) end = name.find('.', end + 1);
  return name.substr(0, end);
}

std::map<std::string, std::vector<std::string>> by_part(const std::vector<std::string>& names) {
  std::map<std::string, std::vector<std::string>> parts;
  for (const auto& name : names) parts[std::string(first_words(name, 3))].push_back(name);
  return parts;
}

std::string counted_parts(const std::vector<std::string>& names) {
  std::vector<std::string> words;
  for (const auto& [part, of_part] : by_part(names))
    words.push_back(printable(fmt::format("{} ({})", part, of_part.size())));
  return fmt::format("{}", fmt::join(words, ", "));
}

}  // namespace rcnn::nn
