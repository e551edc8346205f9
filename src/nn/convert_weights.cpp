#include <spdlog/fmt/ranges.h>
#include <torch/torch.h>

#include <rcnn/io/detectron2_file.h>
#include <rcnn/io/safetensors.h>
#include <rcnn/io/torch_file.h>
#include <rcnn/io/weight_file.h>
#include <rcnn/nn/convert_weights.h>
#include <rcnn/nn/model_file.h>

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

TensorMap with_prefixes(const TensorMap& tensors, const std::string& drop, const std::string& add) {
  TensorMap result;
  bool dropped = drop.empty();
  for (const auto& [name, tensor] : tensors) {
    const bool begins = !drop.empty() && name.starts_with(drop);
    dropped |= begins;
    const auto changed = add + (begins ? name.substr(drop.size()) : name);
    if (!result.emplace(changed, tensor).second) {
      throw WeightsError(fmt::format("two tensors would be called {}", changed));
    }
  }
  if (!dropped) throw WeightsError(fmt::format("no name begins with '{}'", drop));
  return result;
}

void convert_type(TensorMap& tensors, at::ScalarType type) {
  for (auto& [name, tensor] : tensors) {
    if (tensor.is_floating_point()) tensor = tensor.to(type);
  }
}

void write(const std::filesystem::path& file, TensorMap tensors, Metadata metadata) {
  switch (kind_of(file)) {
    case Kind::safetensors:
      metadata.emplace("format", "pt");
      return io::write_safetensors(file, {.tensors = std::move(tensors), .metadata = std::move(metadata)});
    case Kind::torch:
      return io::write_torch(file, tensors);
    case Kind::detectron2:
      return io::write_detectron2(file, tensors);
  }
}

std::string counted(const std::vector<std::string>& names) {
  return fmt::format("{} ({})", fmt::join(names, ", "), names.size());
}

Conversion convert(const io::WeightFile& source, const std::string& origin, const std::filesystem::path& to,
                   const ConvertOptions& options) {
  auto tensors = with_prefixes(source.tensors, options.drop_prefix, options.add_prefix);
  const auto usual = kind_of(to) == Kind::detectron2 ? WeightNames::detectron2 : WeightNames::torchvision;
  Conversion result{.source = weight_names_of(tensors), .target = options.names.value_or(usual)};
  const auto names_options =
      options.config ? WeightNamesOptions::from(options.config->root().child("model")) : WeightNamesOptions();
  Metadata metadata;
  const bool rename = result.source != result.target;
  if (rename || options.config) {
    auto renamed = to_torchvision(tensors, result.source, names_options);
    tensors = std::move(renamed.tensors);
    result.left_out = std::move(renamed.left_out);
  }
  if (options.config) {
    const auto described = describe_weights(tensors, *options.config, options.categories, origin);
    result.fresh = described.report.fresh;
    tensors = state_of(*described.model.model);
    metadata = description_of(described.model);
  } else if (source.format == io::WeightFile::Format::safetensors) {
    metadata = source.metadata;
  }
  if ((rename || options.config) && result.target != WeightNames::torchvision) {
    auto renamed = from_torchvision(tensors, result.target, names_options);
    if (!renamed.left_out.empty()) {
      throw WeightsError(fmt::format("these have no name in the convention that is asked for: {}",
                                     counted(renamed.left_out)));
    }
    tensors = std::move(renamed.tensors);
  }
  // What describes a model counts on torchvision's names.
  if (result.target != WeightNames::torchvision) metadata.clear();
  if (tensors.empty()) {
    throw WeightsError(fmt::format("none of its names has a counterpart: {}", counted(result.left_out)));
  }
  if (options.type) convert_type(tensors, *options.type);
  result.tensors = std::ssize(tensors);
  result.described = metadata.contains("config") && kind_of(to) == Kind::safetensors;
  write(to, std::move(tensors), std::move(metadata));
  return result;
}

}  // namespace

Conversion convert_weights(const std::filesystem::path& from, const std::filesystem::path& to,
                           const ConvertOptions& options) {
  kind_of(to);  // before the work
  const auto source = io::read_weight_file(from);
  try {
    return convert(source, from.string(), to, options);
  } catch (const WeightsError& error) {
    const std::string message = error.what();
    if (message.starts_with(from.string() + ":") || message.starts_with(to.string() + ":")) throw;
    throw WeightsError(fmt::format("{}: {}", from.string(), message));
  }
}

}  // namespace rcnn::nn
