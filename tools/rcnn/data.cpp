#include "commands.h"
#include "data_commands.h"

namespace rcnn::tools {

void add_dataset(CLI::App& command, DatasetArguments& arguments) {
  command
      .add_option(
          "dataset", arguments.dataset,
          "a Pascal VOC folder, a COCO instances file, a folder with annotations/instances_*.json, or "
          "a config")
      ->required();
  command
      .add_option("--split", arguments.locate.splits,
                  "only this part: a list in ImageSets/Main, a file without instances_, train or test of "
                  "a config; may be repeated (default: all)")
      ->allow_extra_args(false);
  command.add_option("--images", arguments.locate.images,
                     "the folder of a COCO file's images (default: looked for around the file)");
}

void add_data(CLI::App& app) {
  auto* command = app.add_subcommand("data", "look at data sets, split them, fit anchors to them");
  command->require_subcommand(1);
  add_data_show(*command);
  add_data_anchors(*command);
  add_data_split(*command);
}

}  // namespace rcnn::tools
