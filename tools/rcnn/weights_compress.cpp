#include "weights_compress.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iostream>
#include <memory>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/options.h>
#include <rcnn/log.h>
#include <rcnn/nn/models/model_summary.h>
#include <rcnn/nn/weights/compress_weights.h>

#include "output_file.h"

namespace rcnn::tools {
namespace {

using Path = std::filesystem::path;

struct CompressArguments {
  Path from, to;
  std::vector<std::string> layers;  // NAME or NAME=RANK, with commas between them
  std::optional<double> energy;
};

/// The words of all lists.
std::vector<std::string> words_of(const std::vector<std::string>& lists) {
  std::vector<std::string> words;
  for (const auto& list : lists) {
    for (size_t begin = 0; begin <= list.size();) {
      const auto end = std::min(list.find(',', begin), list.size());
      words.push_back(list.substr(begin, end - begin));
      if (words.back().empty()) {
        throw ConfigError(fmt::format(
            "--svd: \"{}\" lacks the name of a layer: LAYER=RANK,..., as in fc6=1024,fc7=256", list));
      }
      begin = end + 1;
    }
  }
  return words;
}

nn::CompressOptions options_of(const CompressArguments& arguments) {
  nn::CompressOptions options{.energy = arguments.energy};
  for (const auto& word : words_of(arguments.layers)) {
    const auto equals = word.find('=');
    std::optional<int64_t> rank;
    if (equals != std::string::npos) {
      const char *const begin = word.data() + equals + 1, *const end = word.data() + word.size();
      const auto [stop, wrong] = std::from_chars(begin, end, rank.emplace(0));
      if (wrong != std::errc() || stop != end || equals == 0) {
        throw ConfigError(fmt::format("--svd: \"{}\" is no LAYER=RANK, as in fc6=1024", word));
      }
    }
    const auto name = word.substr(0, equals);
    if (!options.layers.emplace(name, rank).second) {
      throw ConfigError(fmt::format("--svd: {} is named twice", name));
    }
  }
  return options;
}

std::string from_to(const std::string& before, const std::string& after) {
  return fmt::format("{:>12} -> {:>11}", before, after);
}

std::string giga(int64_t count) {
  return fmt::format("{:.3f} G", static_cast<double>(count) / 1e9);
}

std::string mega(int64_t count) {
  return fmt::format("{:.3f} M", static_cast<double>(count) / 1e6);
}

/// What is saved of the whole: the layers' share of it, for as many RoIs as the model proposes.
void print_whole(const nn::CompressedModel& compressed, size_t width) {
  const auto options = data::DataOptions::from(compressed.model.config.root().child("data"));
  const ImageSize size{options.min_size, options.max_size};
  const auto summary = nn::summarize(*compressed.model.model, size);
  const auto after = nn::total(summary.layers);
  int64_t parameters = after.parameters, multiply_adds = after.multiply_adds, rois = 0;
  for (const auto& layer : compressed.layers) {
    const auto name = layer.name + (layer.whole ? "" : "_U");
    const auto found =
        std::ranges::find_if(summary.layers, [&](const auto& entry) { return entry.name == name; });
    const int64_t saved = layer.before() - layer.after();
    parameters += saved;
    if (found == summary.layers.end() || found->outputs.empty()) continue;
    rois = found->outputs.front().front();
    multiply_adds += rois * saved;
  }
  std::cout << fmt::format("{:{}} {:>5} {} {}  one image of {} x {}, {} RoIs\n", "the model", width, "",
                           from_to(fmt::format("{}", parameters), fmt::format("{}", after.parameters)),
                           from_to(giga(multiply_adds), giga(after.multiply_adds)), size.height, size.width,
                           rois);
}

void print(const nn::CompressedModel& compressed) {
  size_t width = 9;
  for (const auto& layer : compressed.layers) width = std::max(width, layer.name.size());
  std::cout << fmt::format("{:{}} {:>5} {:>27} {:>27} {:>8} {:>8}\n", "layer", width, "rank", "parameters",
                           "multiply-adds of a RoI", "error", "energy");
  for (const auto& layer : compressed.layers) {
    const auto parameters = [&](int64_t weights) { return fmt::format("{}", weights + layer.outputs); };
    std::cout << fmt::format("{:{}} {:>5} {} {} {:>8.5f} {:>8.5f}\n", layer.name, width,
                             layer.whole ? "whole" : fmt::format("{}", layer.rank),
                             from_to(parameters(layer.before()), parameters(layer.after())),
                             from_to(mega(layer.before()), mega(layer.after())), layer.error, layer.energy);
  }
  print_whole(compressed, width);
}

void compress(const CompressArguments& arguments) {
  const auto options = options_of(arguments);
  if (arguments.to.extension() != ".safetensors") {
    throw ConfigError(fmt::format("{}: the result describes itself, which takes a .safetensors file",
                                  arguments.to.string()));
  }
  std::error_code not_there;
  if (std::filesystem::exists(std::filesystem::symlink_status(arguments.to, not_there))) {
    throw ConfigError(
        fmt::format("{}: is there already; remove it or name another file", arguments.to.string()));
  }
  const auto output = output_file("out", arguments.to, {});
  const auto compressed =
      nn::compress_weights(nn::load_model(arguments.from), options, arguments.from.string());
  for (const auto& layer : compressed.layers) {
    if (layer.whole) {
      log::warn(
          fmt::format("{} stays whole: the energy asks for a rank of {}, at which two layers have more "
                      "weights than one",
                      layer.name, layer.rank));
    } else if (layer.after() >= layer.before()) {
      log::warn(
          fmt::format("{}: a rank of {} saves nothing, below {} it would", layer.name, layer.rank,
                      (layer.before() + layer.inputs + layer.outputs - 1) / (layer.inputs + layer.outputs)));
    }
  }
  nn::save_model(output.path(), compressed.model);
  print(compressed);
}

}  // namespace

void add_weights_compress(CLI::App& weights) {
  auto* command =
      weights.add_subcommand("compress", "make a detector's fully connected layers smaller by truncated SVD");
  auto arguments = std::make_shared<CompressArguments>();
  command->add_option("in", arguments->from, "a weight file that describes itself")->required();
  command->add_option("out", arguments->to, "new .safetensors file, which detects faster at once")
      ->required();
  command
      ->add_option(
          "--svd", arguments->layers,
          "LAYER=RANK,...: layers of the box head or the predictor; without =RANK the energy chooses; "
          "all of the head unless given")
      ->allow_extra_args(false);
  command->add_option(
      "--energy", arguments->energy,
      "for layers without a rank: the least one that keeps this share of the squared singular values");
  command->footer(
      "Prints what it does to each layer: parameters, multiply-adds, the relative error of its weight\n"
      "(Frobenius norm) and the energy that is kept. Fast R-CNN's choice for VGG16: fc6=1024,fc7=256.");
  command->callback([arguments] { compress(*arguments); });
}

}  // namespace rcnn::tools
