#include <charconv>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/io/safetensors.h>
#include <rcnn/train/training_state.h>

#include "nn/weights/state_file.h"

namespace rcnn::train {
namespace {

using Json = nlohmann::ordered_json;

/// The tensors of a state by the prefix of their names in its file.
constexpr std::pair<const char*, nn::TensorMap TrainingState::*> kParts[] = {
    {"model.", &TrainingState::model},   {"solver.", &TrainingState::solver},
    {"ema.", &TrainingState::ema},       {"gradients.", &TrainingState::gradients},
    {"losses.", &TrainingState::losses}, {"data.", &TrainingState::data},
};

constexpr std::pair<const char*, int64_t TrainingState::*> kNumbers[] = {
    {"iteration", &TrainingState::iteration},
    {"epoch", &TrainingState::epoch},
    {"batch", &TrainingState::batch},
};

constexpr const char* kSkipped = nn::kKeyOfStates;

void check_finite(const TrainingState& state) {
  for (const auto& [name, tensor] : state.model) {
    if (!tensor.is_floating_point() || tensor.isfinite().all().item<bool>()) continue;
    throw NonFiniteError(
        fmt::format("after iteration {} the weight {} is no longer finite; lower train.lr, lengthen "
                    "train.warmup_iterations or set train.clip_norm",
                    state.iteration, name));
  }
}

std::string to_json(const std::vector<data::BadImage>& images) {
  auto list = Json::array();
  for (const auto& [index, message] : images) list.push_back({index, message});
  return list.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<data::BadImage> to_images(const std::string& text) {
  std::vector<data::BadImage> images;
  for (const auto& entry : Json::parse(text)) {
    images.push_back({.index = entry.at(0).get<int64_t>(), .message = entry.at(1).get<std::string>()});
  }
  return images;
}

/// Takes an entry out of the metadata.
std::string take(std::map<std::string, std::string>& metadata, const char* key, const std::string& file) {
  const auto entry = metadata.extract(key);
  if (!entry) throw WeightsError(fmt::format("{}: is no state of a training: it has no {}", file, key));
  return entry.mapped();
}

}  // namespace

nn::TensorMap copies(const nn::TensorMap& tensors) {
  nn::TensorMap copies;
  for (const auto& [name, tensor] : tensors) {
    copies[name] =
        tensor.detach().to(tensor.options().device(at::kCPU), /*non_blocking=*/false, /*copy=*/true);
  }
  return copies;
}

void save_state(const std::filesystem::path& file, const TrainingState& state,
                std::map<std::string, std::string> metadata) {
  check_finite(state);
  io::SafeTensors content{.tensors = {}, .metadata = std::move(metadata)};
  for (const auto& [prefix, part] : kParts) {
    for (const auto& [name, tensor] : state.*part) content.tensors.emplace(prefix + name, tensor);
  }
  for (const auto& [key, number] : kNumbers) content.metadata[key] = fmt::format("{}", state.*number);
  content.metadata[kSkipped] = to_json(state.skipped);
  io::write_safetensors(file, content);
}

SavedState load_state(const std::filesystem::path& file) {
  auto content = io::read_safetensors(file);
  SavedState saved{.state = {}, .metadata = std::move(content.metadata)};
  for (const auto& [key, number] : kNumbers) {
    const auto text = take(saved.metadata, key, file.string());
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), saved.state.*number);
    if (error != std::errc() || end != text.data() + text.size() || saved.state.*number < 0) {
      throw WeightsError(fmt::format("{}: its {} is {}", file.string(), key, text));
    }
  }
  try {
    saved.state.skipped = to_images(take(saved.metadata, kSkipped, file.string()));
  } catch (const Json::exception& error) {
    throw WeightsError(
        fmt::format("{}: its list of skipped images is broken: {}", file.string(), error.what()));
  }
  for (auto& [name, tensor] : content.tensors) {
    bool known = false;
    for (const auto& [prefix, part] : kParts) {
      if (!name.starts_with(prefix)) continue;
      (saved.state.*part)[name.substr(std::string_view(prefix).size())] = tensor;
      known = true;
    }
    if (!known)
      throw WeightsError(fmt::format("{}: is no state of a training: {} has no place", file.string(), name));
  }
  return saved;
}

}  // namespace rcnn::train
