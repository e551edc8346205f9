#include <iostream>
#include <memory>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/ranges.h>

#include <rcnn/data/categories.h>
#include <rcnn/io/weight_file.h>
#include <rcnn/log.h>
#include <rcnn/nn/weights/convert_weights.h>
#include <rcnn/nn/weights/weight_diff.h>
#include <rcnn/printable.h>

#include "commands.h"
#include "output_file.h"
#include "weights_compress.h"

namespace rcnn::tools {
namespace {

using Json = nlohmann::ordered_json;
using Path = std::filesystem::path;

constexpr int kDifferent = 1;
constexpr size_t kShownText = 80;

const std::map<std::string, nn::WeightNames> kNames = {{"torchvision", nn::WeightNames::torchvision},
                                                       {"detectron2", nn::WeightNames::detectron2},
                                                       {"mmdetection", nn::WeightNames::mmdetection},
                                                       {"caffe2", nn::WeightNames::caffe2},
                                                       {"caffe", nn::WeightNames::caffe}};
const std::map<std::string, at::ScalarType> kTypes = {
    {"float32", at::kFloat}, {"float16", at::kHalf}, {"bfloat16", at::kBFloat16}, {"float64", at::kDouble}};

const std::string& name_of(nn::WeightNames names) {
  return std::find_if(kNames.begin(), kNames.end(), [&](const auto& entry) { return entry.second == names; })
      ->first;
}

const char* name_of(io::WeightFile::Format format) {
  switch (format) {
    case io::WeightFile::Format::safetensors:
      return "safetensors";
    case io::WeightFile::Format::torch_zip:
      return "torch (zip)";
    case io::WeightFile::Format::torch_legacy:
      return "torch (before 1.6)";
    case io::WeightFile::Format::numpy_pickle:
      return "pickle of numpy arrays";
    case io::WeightFile::Format::caffemodel:
      return "caffemodel";
  }
  return "";
}

std::string shape_of(const at::Tensor& tensor) {
  return fmt::format("[{}]", fmt::join(tensor.sizes(), ", "));
}

std::string type_of(const at::Tensor& tensor) {
  return c10::getDtypeNames(tensor.scalar_type()).first;
}

struct Totals {
  int64_t elements = 0, bytes = 0;
  explicit Totals(const nn::TensorMap& tensors) {
    for (const auto& [name, tensor] : tensors) {
      elements += tensor.numel();
      bytes += static_cast<int64_t>(tensor.nbytes());
    }
  }
};

/// What inspect shows: the file as it is, and what is recognised in it; or its averaged weights.
struct Inspected {
  io::WeightFile file;
  std::string summary;
};

Inspected read_for_inspection(const Path& path, io::Averages averages) {
  Inspected result{.file = io::read_weight_file(path, averages), .summary = {}};
  if (averages == io::Averages::leave_out) {
    try {
      result.summary = nn::recognise_weights(path).summary;
    } catch (const WeightsError& error) {  // several detectors, say: what is there is shown all the same
      result.summary = error.what();
    }
  } else {
    auto read = nn::recognise_weights(path, {.averages = averages});
    result.file.tensors = std::move(read.tensors);
    result.summary = std::move(read.summary);
  }
  return result;
}

void print_json(const Path& path, const Inspected& inspected) {
  const auto& file = inspected.file;
  const Totals totals(file.tensors);
  Json tensors = Json::array();
  for (const auto& [name, tensor] : file.tensors) {
    tensors.push_back({{"name", name}, {"dtype", type_of(tensor)}, {"shape", tensor.sizes().vec()}});
  }
  const Json json = {{"file", path.string()},
                     {"format", name_of(file.format)},
                     {"names", name_of(nn::weight_names_of(file.tensors))},
                     {"root", file.root},
                     {"left_out", file.left_out},
                     {"averages", file.averages},
                     {"recognised", inspected.summary},
                     {"elements", totals.elements},
                     {"bytes", totals.bytes},
                     {"tensors", std::move(tensors)},
                     {"metadata", file.metadata}};
  std::cout << json.dump(1, ' ', false, Json::error_handler_t::replace) << '\n';
}

void print_text(const Path& path, const Inspected& inspected) {
  const auto& file = inspected.file;
  const Totals totals(file.tensors);
  std::cout << fmt::format("{}: {}, names of {}, {} tensors, {} elements, {:.1f} MB\n",
                           printable(path.string()), name_of(file.format),
                           name_of(nn::weight_names_of(file.tensors)), file.tensors.size(), totals.elements,
                           static_cast<double>(totals.bytes) / 1e6);
  if (!inspected.summary.empty()) std::cout << printable(inspected.summary) << '\n';
  size_t width = 0;
  for (const auto& [name, tensor] : file.tensors) width = std::max(width, printable(name).size());
  for (const auto& [name, tensor] : file.tensors) {
    std::cout << fmt::format("  {:<{}}  {:<8}  {}\n", printable(name), width, type_of(tensor),
                             shape_of(tensor));
  }
  for (const auto& [key, value] : file.metadata) {
    const auto line = value.substr(0, value.find('\n'));
    const bool whole = line.size() == value.size() && line.size() <= kShownText;
    std::cout << fmt::format("  {} = {}{}\n", printable(key), printable(line.substr(0, kShownText)),
                             whole ? "" : " ... (--json: all)");
  }
}

void inspect(const Path& path, bool json, io::Averages averages) {
  const auto inspected = read_for_inspection(path, averages);
  if (json) {
    print_json(path, inspected);
  } else {
    print_text(path, inspected);
  }
}

struct ConvertArguments {
  Path from, to, config, classes;
  std::vector<std::string> overrides;
  nn::ConvertOptions options;
};

void convert(ConvertArguments& arguments) {
  auto& options = arguments.options;
  if (arguments.config.empty() && !(arguments.classes.empty() && arguments.overrides.empty())) {
    throw ConfigError("--classes and key=value need --config, which says what model the weights belong to");
  }
  std::error_code not_there;
  if (std::filesystem::exists(std::filesystem::symlink_status(arguments.to, not_there))) {
    throw ConfigError(
        fmt::format("{}: is there already; remove it or name another file", arguments.to.string()));
  }
  const auto output = output_file("out", arguments.to, {});
  if (!arguments.config.empty()) options.config = config::Config::load(arguments.config, arguments.overrides);
  if (!arguments.classes.empty()) options.categories = data::read_categories(arguments.classes);
  const auto result = nn::convert_weights(arguments.from, output.path(), options);
  if (!result.summary.empty()) log::info(fmt::format("{}: {}", arguments.from.string(), result.summary));
  if (result.source != result.target) {
    log::info(
        fmt::format("names of {} translated to those of {}", name_of(result.source), name_of(result.target)));
  }
  if (!result.left_out.empty()) log::info(fmt::format("left out: {}", nn::counted_parts(result.left_out)));
  if (!result.fresh.empty()) {
    log::warn(
        fmt::format("the weights have another number of classes: {} start fresh, train before detecting",
                    nn::counted_parts(result.fresh)));
  }
  log::info(fmt::format("{} tensors in {}{}", result.tensors, arguments.to.string(),
                        result.described ? ", which describes itself" : ""));
}

nn::ReadWeights read_for_comparison(const Path& file, io::Averages averages) {
  auto read = nn::read_weights(file, {}, {.averages = averages});
  if (!read.summary.empty()) log::info(fmt::format("{}: {}", file.string(), read.summary));
  if (!read.left_out.empty()) {
    log::warn(fmt::format("not compared, {}: {}", file.string(), nn::counted_parts(read.left_out)));
  }
  return read;
}

/// Returns whether the files hold the same tensors.
bool diff(const Path& a, const Path& b, io::Averages averages) {
  const auto left = read_for_comparison(a, averages).tensors,
             right = read_for_comparison(b, averages).tensors;
  const auto diff = nn::diff_weights(left, right);
  const auto only = [](char sign, const std::string& name, const at::Tensor& tensor) {
    std::cout << fmt::format("{} {} {}\n", sign, printable(name), shape_of(tensor));
  };
  for (const auto& name : diff.only_a) only('-', name, left.at(name));
  for (const auto& name : diff.only_b) only('+', name, right.at(name));
  for (const auto& changed : diff.changed) {
    std::cout << "! " << printable(changed.name);
    if (changed.other_shape()) {
      std::cout << fmt::format("  {} and {}", shape_of(changed.a), shape_of(changed.b));
    } else {
      std::cout << fmt::format("  {}  differs by up to {:.3g}, {:.3g} of its largest value",
                               shape_of(changed.a), changed.absolute, changed.relative);
    }
    if (changed.other_type()) std::cout << fmt::format("  {} and {}", type_of(changed.a), type_of(changed.b));
    std::cout << '\n';
  }
  std::cout << fmt::format("{} equal, {} different, {} only in {}, {} only in {}\n", diff.equal,
                           diff.changed.size(), diff.only_a.size(), printable(a.string()), diff.only_b.size(),
                           printable(b.string()));
  return diff.same();
}

/// Adds --ema.
void add_averages(CLI::App& command, io::Averages& averages, const char* what) {
  command.add_flag_callback(
      "--ema", [&averages] { averages = io::Averages::take; }, what);
}

void add_inspect(CLI::App& app) {
  auto* command = app.add_subcommand("inspect", "list a weight file's tensors and metadata");
  struct Arguments {
    Path file;
    bool json = false;
    io::Averages averages = io::Averages::leave_out;
  };
  auto arguments = std::make_shared<Arguments>();
  command->add_option("file", arguments->file, ".safetensors, .pth, .pkl or .caffemodel")->required();
  command->add_flag("--json", arguments->json, "one object, everything in it");
  add_averages(*command, arguments->averages, "list the averaged copy of the weights (ema, model_ema, ...)");
  command->callback([arguments] { inspect(arguments->file, arguments->json, arguments->averages); });
}

void add_convert(CLI::App& app) {
  auto* command =
      app.add_subcommand("convert", "write weights in another format, under other names, described");
  auto arguments = std::make_shared<ConvertArguments>();
  auto& options = arguments->options;
  command
      ->add_option(
          "in", arguments->from,
          ".safetensors, .pth, .pkl or .caffemodel of torchvision, detectron2, mmdetection, Detectron or "
          "py-faster-rcnn")
      ->required();
  command->add_option("out", arguments->to, "new .safetensors, .pth, .pt or .pkl file")->required();
  command->add_option("overrides", arguments->overrides, "key=value ..., instead of what the config says");
  command->add_option("--config", arguments->config,
                      "the detector they belong to: the result describes itself");
  command->add_option("--classes", arguments->classes, "its classes, one a line: NAME, or ID NAME");
  command
      ->add_option(
          "--names", options.names,
          "whose names and conventions the result has; detectron2's in a .pkl, torchvision's otherwise")
      ->transform(CLI::CheckedTransformer(kNames).description(
          "torchvision, detectron2, mmdetection, caffe2 or caffe"));
  command->add_option("--dtype", options.type, "of the floating-point tensors")
      ->transform(CLI::CheckedTransformer(kTypes).description("float32, float16, bfloat16 or float64"));
  command->add_flag("--inference-only", options.inference_only,
                    "leave out what only a training needs: auxiliary heads");
  add_averages(*command, options.read.averages,
               "take the averaged copy that lies beside the weights (ema, model_ema, ...)");
  command->add_option("--drop-prefix", options.read.drop_prefix, "take it from the names that begin with it");
  command->add_option("--add-prefix", options.read.add_prefix, "put it before every name");
  command->callback([arguments] { convert(*arguments); });
}

void add_diff(CLI::App& app) {
  auto* command =
      app.add_subcommand("diff", "compare two weight files tensor by tensor, both under torchvision's names");
  struct Arguments {
    Path a, b;
    io::Averages averages = io::Averages::leave_out;
  };
  auto arguments = std::make_shared<Arguments>();
  command->add_option("a", arguments->a, "a weight file")->required();
  command->add_option("b", arguments->b, "another")->required();
  add_averages(*command, arguments->averages, "compare the averaged copies of both");
  command->footer(
      "Exit code: 0 equal, 1 different, never 1 for anything else (4: a file is no weights or cannot be "
      "compared)");
  command->callback([arguments] {
    bool same = false;
    try {
      same = diff(arguments->a, arguments->b, arguments->averages);
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      if (is_out_of_memory(error)) throw;
      throw WeightsError(fmt::format("{} and {} cannot be compared: {}", arguments->a.string(),
                                     arguments->b.string(), error.what()));
    }
    if (!same) throw CLI::RuntimeError(kDifferent);
  });
}

}  // namespace

void add_weights(CLI::App& app) {
  auto* command = app.add_subcommand("weights", "inspect, convert, compare and compress weight files");
  command->require_subcommand(1);
  add_weights_compress(*command);
  add_inspect(*command);
  add_convert(*command);
  add_diff(*command);
}

}  // namespace rcnn::tools
