#include <spdlog/fmt/ranges.h>
#include <torch/torch.h>

#include <rcnn/io/detectron2_file.h>
#include <rcnn/io/safetensors.h>
#include <rcnn/io/torch_file.h>
#include <rcnn/nn/models/model_file.h>
#include <rcnn/nn/weights/convert_weights.h>
#include <rcnn/printable.h>

#include "nn/weights/in_file.h"
#include "nn/weights/mmdetection_names.h"

namespace rcnn::nn {
namespace {

using Metadata = std::map<std::string, std::string>;

enum class Kind { safetensors, torch, detectron2 };

Kind kind_of(const std::filesystem::path& file) {
  const auto ending = file.extension();
  if (ending == ".safetensors") return Kind::safetensors;
  if (ending == ".pth" || ending == ".pt") return Kind::torch;
  if (ending == ".pkl") return Kind::detectron2;
  throw ConfigError(fmt::format(
      "{}: its ending does not say what to write; known: .safetensors, .pth, .pt, .pkl", file.string()));
}

/// Throws WeightsError for values that the type has no finite number for.
void convert_type(TensorMap& tensors, at::ScalarType type) {
  for (auto& [name, tensor] : tensors) {
    if (!tensor.is_floating_point()) continue;
    const auto converted = tensor.to(type);
    if (const auto lost = (converted.isinf() & tensor.isfinite()).sum().item<int64_t>(); lost > 0) {
      throw WeightsError(printable(fmt::format("{}: {} of {} values are beyond the range of {}", name, lost,
                                               tensor.numel(), at::toString(type))));
    }
    tensor = converted;
  }
}

void write(const std::filesystem::path& file, Kind kind, TensorMap tensors, Metadata metadata) {
  switch (kind) {
    case Kind::safetensors:
      metadata.emplace("format", "pt");
      return io::write_safetensors(file, {.tensors = std::move(tensors), .metadata = std::move(metadata)});
    case Kind::torch:
      return io::write_torch(file, tensors);
    case Kind::detectron2:
      return io::write_detectron2(file, tensors);
  }
}

/// `config`, or else the one that the source's metadata has.
std::optional<config::Config> config_of(const RecognisedWeights& source, const std::filesystem::path& from,
                                        const std::optional<config::Config>& config) {
  if (config) return config;
  const auto own = source.metadata.find("config");
  if (own == source.metadata.end() || !source.metadata.contains("rcnn_version")) return std::nullopt;
  return config::Config::parse(own->second, from.string());
}

std::string counted(const std::vector<std::string>& names) {
  return fmt::format("{} ({})", fmt::join(names, ", "), names.size());
}

/// What `names` calls them; an error when it has no name for some.
TensorMap under_names(const TensorMap& tensors, WeightNames names, const WeightNamesOptions& options) {
  auto renamed = from_torchvision(tensors, names, options);
  if (!renamed.left_out.empty()) {
    throw WeightsError(
        fmt::format("these have no name in the convention that is asked for: {}", counted(renamed.left_out)));
  }
  return std::move(renamed.tensors);
}

}  // namespace

Conversion convert_weights(const std::filesystem::path& from, const std::filesystem::path& to,
                           const ConvertOptions& options) {
  const auto kind = kind_of(to);
  const auto source = recognise_weights(from, options.read);
  const auto& named = source.tensors;
  const auto usual = kind == Kind::detectron2 ? WeightNames::detectron2 : WeightNames::torchvision;
  Conversion result{
      .source = weight_names_of(named), .target = options.names.value_or(usual), .summary = source.summary};
  const auto config = config_of(source, from, options.config);
  const auto names_options =
      config ? WeightNamesOptions::from(config->root().child("model")) : WeightNamesOptions();
  if (config && result.target == WeightNames::mmdetection && result.source != result.target) {
    in_file(from, [&] { check_mmdetection_has(config->root().child("model")); });
  }
  const bool renames = result.source != result.target || options.config;

  RenamedWeights weights{named, {}};
  if (renames) weights = in_file(from, [&] { return to_torchvision(named, result.source, names_options); });
  auto& [tensors, left_out] = weights;
  if (options.inference_only) {
    if (!config) {
      throw ConfigError(fmt::format(
          "{}: does not say what model it is of, and with it what only a training needs: give --config",
          from.string()));
    }
    const auto model = make_model(config->root().child("model"), 1);
    std::erase_if(tensors, [&](const auto& entry) {
      const bool is_spare = model->only_trains(entry.first);
      if (is_spare) left_out.push_back(entry.first);
      return is_spare;
    });
  }
  Metadata metadata;
  if (options.config) {
    const auto described = describe_weights(tensors, *options.config, options.categories, from.string());
    result.fresh = described.report.fresh;
    tensors = state_of(*described.model.model);
    metadata = description_of(described.model);
  } else if (source.format == io::WeightFile::Format::safetensors) {
    metadata = source.metadata;
  }
  if (renames && result.target != WeightNames::torchvision) {
    tensors = in_file(from, [&] { return under_names(tensors, result.target, names_options); });
  }
  // What describes a model counts on torchvision's names.
  if (result.target != WeightNames::torchvision) metadata.clear();
  if (options.type) in_file(from, [&] { convert_type(tensors, *options.type); });
  result.left_out = left_out;
  result.tensors = std::ssize(tensors);
  result.described = metadata.contains("config") && kind == Kind::safetensors;
  write(to, kind, std::move(tensors), std::move(metadata));
  return result;
}

}  // namespace rcnn::nn
