#include <array>

#include <spdlog/fmt/ranges.h>
#include <torch/torch.h>

#include <rcnn/nn/weights.h>

namespace rcnn::nn {
namespace {

struct Copy {
  at::Tensor to, from;
};

void run(const std::vector<Copy>& copies) {
  const torch::NoGradGuard no_grad;
  for (const auto& [to, from] : copies) at::Tensor(to).copy_(from);
}

std::string shapes(const std::string& name, const at::Tensor& want, const at::Tensor& got) {
  return fmt::format("{} [{}], the file has [{}]", name, fmt::join(want.sizes(), ", "),
                     fmt::join(got.sizes(), ", "));
}

void append(std::string& message, const char* what, const std::vector<std::string>& names) {
  if (!names.empty()) message += fmt::format("; {}: {}", what, fmt::join(names, ", "));
}

/// Where a name of a file may have its place in a detector.
std::vector<std::string> places(const std::string& name) {
  static const std::array<std::pair<std::string, std::string>, 4> prefixes = {
      {{"", ""},
       {"", "backbone.body."},
       {"classifier.0.", "roi_heads.box_head.fc6."},
       {"classifier.3.", "roi_heads.box_head.fc7."}}};
  std::vector<std::string> result;
  for (const auto& [from, to] : prefixes) {
    if (name.starts_with(from)) result.push_back(to + name.substr(from.size()));
  }
  if (name.starts_with("layer4.")) result.push_back("roi_heads.box_head." + name);
  return result;
}

bool is_last_layer(const std::string& name) {
  return name.starts_with("roi_heads.box_predictor.");
}

}  // namespace

TensorMap state_of(const torch::nn::Module& module) {
  TensorMap state;
  for (const auto& item : module.named_parameters()) state.emplace(item.key(), item.value());
  for (const auto& item : module.named_buffers()) state.emplace(item.key(), item.value());
  return state;
}

void load_state(torch::nn::Module& module, const TensorMap& tensors, const std::string& origin) {
  std::vector<std::string> missing, unexpected, misshaped;
  std::vector<Copy> copies;
  const auto state = state_of(module);
  for (const auto& [name, tensor] : state) {
    const auto found = tensors.find(name);
    if (found == tensors.end()) {
      missing.push_back(name);
    } else if (found->second.sizes() != tensor.sizes()) {
      misshaped.push_back(shapes(name, tensor, found->second));
    } else {
      copies.push_back({tensor, found->second});
    }
  }
  for (const auto& [name, tensor] : tensors) {
    if (!state.contains(name)) unexpected.push_back(name);
  }
  if (copies.size() < state.size() || !unexpected.empty()) {
    std::string message = origin + ": does not fit the model";
    append(message, "missing", missing);
    append(message, "unexpected", unexpected);
    append(message, "of another shape", misshaped);
    throw WeightsError(message);
  }
  run(copies);
}

InitialLoad load_initial(torch::nn::Module& module, const TensorMap& tensors, const std::string& origin) {
  InitialLoad report;
  std::vector<std::string> misshaped;
  std::vector<Copy> copies;
  auto state = state_of(module);
  for (const auto& [name, tensor] : tensors) {
    bool used = false;
    for (const auto& place : places(name)) {
      const auto found = state.find(place);
      if (found == state.end()) continue;
      if (found->second.sizes() == tensor.sizes()) {
        copies.push_back({found->second, tensor});
        report.loaded.push_back(place);
        state.erase(found);
        used = true;
      } else if (!is_last_layer(place)) {
        misshaped.push_back(shapes(place, found->second, tensor));
      }
      break;
    }
    if (!used) report.unused.push_back(name);
  }
  for (const auto& entry : state) report.fresh.push_back(entry.first);
  if (!misshaped.empty()) {
    throw WeightsError(
        fmt::format("{}: does not fit the model; of another shape: {}", origin, fmt::join(misshaped, ", ")));
  }
  if (copies.empty()) {
    throw WeightsError(fmt::format("{}: none of its {} names belongs to the model; it has {}", origin,
                                   tensors.size(), summarize(report.unused)));
  }
  run(copies);
  return report;
}

std::string summarize(const std::vector<std::string>& names) {
  // The first three parts tell the module: backbone.body.layer1, roi_heads.box_head.fc6, rpn.head.conv.
  std::map<std::string, int> counts;
  for (const auto& name : names) {
    size_t end = 0;
    for (int part = 0; part < 3 && end != std::string::npos; ++part) end = name.find('.', end + 1);
    ++counts[name.substr(0, end)];
  }
  std::vector<std::string> words;
  for (const auto& [prefix, count] : counts) words.push_back(fmt::format("{} ({})", prefix, count));
  return fmt::format("{}", fmt::join(words, ", "));
}

}  // namespace rcnn::nn
