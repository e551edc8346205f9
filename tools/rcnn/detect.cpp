#include <memory>
#include <set>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/find_images.h>
#include <rcnn/data/image.h>
#include <rcnn/infer/results.h>
#include <rcnn/infer/tensor_detector.h>
#include <rcnn/log.h>
#include <rcnn/vis/draw.h>

#include "commands.h"

namespace rcnn::tools {
namespace {

/// A name for the picture of `input` that no other has taken: street.jpg, street_2.jpg.
std::string picture_name(const std::filesystem::path& input, std::set<std::string>& taken) {
  const auto stem = input.stem().string();
  auto name = stem + ".jpg";
  for (int number = 2; !taken.insert(name).second; ++number) name = fmt::format("{}_{}.jpg", stem, number);
  return name;
}

/// Pictures are named like their images, so among these they would replace them.
void check_output(const std::filesystem::path& output, const std::vector<std::filesystem::path>& images) {
  for (const auto& image : images) {
    const auto folder = image.has_parent_path() ? image.parent_path() : ".";
    std::error_code not_there;
    if (std::filesystem::equivalent(folder, output, not_there)) {
      throw ConfigError(
          fmt::format("--output {}: {} lies there and could be overwritten; name another folder",
                      output.string(), image.filename().string()));
    }
  }
}

}  // namespace

int64_t detect(const DetectArguments& arguments) {
  const auto files = data::find_images(arguments.inputs);
  check_output(arguments.output, files);
  const auto detector = TensorDetector::load(arguments.weights, {.device = arguments.device});
  std::error_code error;
  std::filesystem::create_directories(arguments.output, error);
  if (error) {
    throw ConfigError(
        fmt::format("--output {}: cannot be made: {}", arguments.output.string(), error.message()));
  }
  std::vector<ImageDetections> results;
  std::set<std::string> taken;
  int64_t bad = 0, found = 0;
  for (const auto& file : files) {
    try {
      const auto image = data::read_image(file);
      auto detections = to_list(detector.detect(image));
      std::erase_if(detections, [&](const Detection& d) { return d.score < arguments.score; });
      data::write_image(arguments.output / picture_name(file, taken),
                        vis::draw_detections(image, detections, detector.categories()));
      found += static_cast<int64_t>(detections.size());
      results.push_back({static_cast<int64_t>(results.size()) + 1, file.filename().string(), detections});
    } catch (const DataError& failure) {
      log::warn(failure.what());
      ++bad;
    }
  }
  write_results(arguments.output / "detections.json", results, detector.categories());
  log::info(fmt::format("{} objects on {} images; pictures and detections.json in {}", found, results.size(),
                        arguments.output.string()));
  if (bad > 0) log::warn(fmt::format("{} images could not be read", bad));
  return bad;
}

void add_detect(CLI::App& app) {
  auto* command = app.add_subcommand("detect", "find objects on images, draw them and list them");
  auto arguments = std::make_shared<DetectArguments>();
  command->add_option("inputs", arguments->inputs, "image files, and folders of them")->required();
  command->add_option("--weights", arguments->weights, "weight file that rcnn train wrote")->required();
  command->add_option("--output", arguments->output, "folder for pictures and detections.json")->required();
  command->add_option("--score", arguments->score, "lowest score to report")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--device", arguments->device, "auto, cpu or cuda")->capture_default_str();
  command->callback([arguments] {
    if (detect(*arguments) > 0) throw CLI::RuntimeError(kBadData);
  });
}

}  // namespace rcnn::tools
