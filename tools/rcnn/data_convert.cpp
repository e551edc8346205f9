#include <memory>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/categories.h>
#include <rcnn/data/formats/yolo.h>
#include <rcnn/data/tools/convert.h>
#include <rcnn/log.h>

#include "data_commands.h"

namespace rcnn::tools {
namespace {

struct DataConvertArguments {
  DatasetArguments from;
  std::string to;
  std::filesystem::path output, classes;
  bool copy = false;
};

std::vector<data::AnnotatedPart> read(const DataConvertArguments& arguments, data::Problems& problems) {
  const auto& root = arguments.from.dataset;
  if (!data::is_yolo(root)) {
    if (!arguments.classes.empty()) throw ConfigError("--classes: only YOLO's text files need it");
    return data::read_parts(arguments.from.parts(), problems);
  }
  const auto classes = arguments.classes.empty() ? root / "classes.txt" : arguments.classes;
  if (!std::filesystem::exists(classes)) {
    throw DataError(fmt::format(
        "{}: is not there; write the names of the classes (data.yaml: names) one a line, or name a file with "
        "--classes",
        classes.string()));
  }
  return data::read_yolo(root, data::read_categories(classes), problems);
}

void run(const DataConvertArguments& arguments) {
  data::Problems problems;
  const auto parts = read(arguments, problems);
  problems.settle(arguments.from.dataset.string());
  const auto images = arguments.copy ? data::ImageFiles::copy : data::ImageFiles::link;
  if (arguments.to == "coco") {
    data::write_coco(arguments.output, parts, images);
  } else {
    data::write_voc(arguments.output, parts, images);
  }
  for (const auto& part : parts) {
    log::info(fmt::format("{}: {} images, {} objects", part.name, part.content.images.size(),
                          part.content.annotations.size()));
  }
}

}  // namespace

void add_data_convert(CLI::App& app) {
  auto* command = app.add_subcommand(
      "convert",
      "write a data set as COCO's or Pascal VOC's files; reads these and YOLO's images/ and labels/");
  auto arguments = std::make_shared<DataConvertArguments>();
  add_dataset(*command, arguments->from);
  command->add_option("--to", arguments->to, "coco or voc")
      ->required()
      ->check(CLI::IsMember({"coco", "voc"}));
  command->add_option("--output", arguments->output, "new folder for the result")->required();
  command->add_option("--classes", arguments->classes,
                      "for YOLO: the classes' names, one a line (default: classes.txt in the folder)");
  command->add_flag("--copy", arguments->copy, "copy the images instead of linking to them");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace rcnn::tools
