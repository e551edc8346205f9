#include <string>
#include <utility>
#include <vector>

#include <spdlog/fmt/ranges.h>

#include <rcnn/data/categories.h>
#include <rcnn/data/formats/format.h>
#include <rcnn/data/images/image.h>
#include <rcnn/error.h>

#include "commands.h"
#include "data_commands.h"

namespace rcnn::tools {

const char* const kDatasetHelp =
    "a folder of annotated images, an annotation file, or a config; recognised are the files of Pascal VOC, "
    "COCO, "
    "YOLO, LabelMe, VIA, CVAT, Open Images, and CSV tables";

data::DatasetPart DatasetArguments::only_part() const {
  auto all = parts();
  if (all.size() == 1) return std::move(all.front());
  std::vector<std::string> names;
  for (const auto& part : all) names.push_back(part.name);
  throw ConfigError(fmt::format("{} has several parts: choose one with --split: {}", dataset.string(),
                                fmt::join(names, ", ")));
}

void add_dataset(CLI::App& command, DatasetArguments& arguments) {
  command.add_option("dataset", arguments.dataset, kDatasetHelp)->required();
  add_locate(command, arguments.locate);
}

void add_locate(CLI::App& command, data::LocateOptions& options) {
  auto types = data::formats().names();
  types.insert(types.begin(), std::string(data::kAnyFormat));
  command.add_option("--from", options.type, fmt::format("its format: {}", fmt::join(types, ", ")))
      ->check(CLI::IsMember(types))
      ->capture_default_str();
  command
      .add_option(
          "--split", options.splits,
          "only this part: the name of a list, a folder or a file without instances_, train or test of "
          "a config; may be repeated (default: all)")
      ->allow_extra_args(false);
  command.add_option("--images", options.images,
                     "the folder of an annotation file's images (default: looked for around the file)");
}

void add_overrides(CLI::App& command, data::LocateOptions& options) {
  command.add_option("overrides", options.overrides, "data.key=value ..., instead of what a config says");
}

void add_policies(CLI::App& command, data::LocateOptions& options) {
  command
      .add_option("--max-megapixels", options.max_megapixels,
                  "largest image that is taken, in millions of pixels [100, or the config's]")
      ->check(CLI::Range(int64_t{1}, data::kMostMegapixels));
  const auto add_policy = [&](const std::string& name, std::optional<data::Policy>& policy,
                              const std::string& what) {
    command
        .add_option_function<std::string>(
            name,
            [&](const std::string& word) {
              policy = word == "skip" ? data::Policy::skip : data::Policy::stop;
            },
            what)
        ->check(CLI::IsMember({"skip", "stop"}));
  };
  add_policy("--bad-boxes", options.bad_boxes, "boxes without size or outside: left out, or an error [skip]");
  add_policy("--bad-values", options.bad_values,
             "odd fields that no box depends on: left out, or an error [skip]");
  add_policy("--bad-images", options.bad_images,
             "images that are missing or damaged: left out, or an error [stop]");
  command
      .add_option_function<std::filesystem::path>(
          "--classes",
          [&](const std::filesystem::path& file) {
            for (const auto& category : data::read_categories(file)) options.classes.push_back(category.name);
          },
          "a file with the classes to take, one a line; for YOLO without names, theirs in order")
      ->option_text("FILE");
  command
      .add_option_function<std::string>(
          "--other-classes",
          [&](const std::string& word) {
            options.other_classes = data::OtherClasses::from(word);
            if (!options.other_classes)
              throw ConfigError(
                  fmt::format("--other-classes: must be stop, ignore or merge:NAME, not {}", word));
          },
          "objects of further classes: stop, ignore, or merge:NAME [stop]")
      ->option_text("WORD");
  command.add_option("--yolo-lines", options.yolo_lines, "what YOLO's lines are, where several readings fit")
      ->check(CLI::IsMember({"box", "outline", "oriented", "pose"}));
}

void add_data(CLI::App& app) {
  auto* command = app.add_subcommand(
      "data", "check data sets, look at them, split and convert them, fit anchors to them");
  command->require_subcommand(1);
  add_data_check(*command);
  add_data_show(*command);
  add_data_anchors(*command);
  add_data_split(*command);
  add_data_convert(*command);
}

}  // namespace rcnn::tools
