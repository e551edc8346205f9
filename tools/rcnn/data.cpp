#include <rcnn/data/images/image.h>

#include "commands.h"
#include "data_commands.h"

namespace rcnn::tools {

const char* const kDatasetHelp =
    "a Pascal VOC folder, a COCO instances file, a folder with annotations/instances_*.json, or a config";

void add_dataset(CLI::App& command, DatasetArguments& arguments) {
  command.add_option("dataset", arguments.dataset, kDatasetHelp)->required();
  add_locate(command, arguments.locate);
}

void add_locate(CLI::App& command, data::LocateOptions& options) {
  command
      .add_option("--split", options.splits,
                  "only this part: a list in ImageSets/Main, a file without instances_, train or test of "
                  "a config; may be repeated (default: all)")
      ->allow_extra_args(false);
  command.add_option("--images", options.images,
                     "the folder of a COCO file's images (default: looked for around the file)");
}

void add_max_megapixels(CLI::App& command, data::LocateOptions& options) {
  command
      .add_option("--max-megapixels", options.max_megapixels,
                  "largest image that is taken, in millions of pixels [100, or the config's]")
      ->check(CLI::Range(int64_t{1}, data::kMostMegapixels));
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
