#include <memory>

#include <spdlog/fmt/ranges.h>

#include <rcnn/data/tools/convert.h>
#include <rcnn/log.h>

#include "commands.h"
#include "data_commands.h"

namespace rcnn::tools {
namespace {

struct DataConvertArguments {
  DatasetArguments from;
  std::string to;
  std::filesystem::path output;
  bool copy = false;
};

void run(const DataConvertArguments& arguments) {
  data::Problems problems;
  const auto parts = data::read_parts(arguments.from.parts(), problems);
  problems.settle(arguments.from.dataset.string());
  data::Problems lost;
  data::convert(parts, arguments.to, arguments.output,
                arguments.copy ? data::ImageFiles::copy : data::ImageFiles::link, lost);
  lost.settle(arguments.output.string());
  for (const auto& part : parts) {
    log::info(fmt::format("{}: {} images, {} objects read", part.name, part.content.images.size(),
                          part.content.annotations.size()));
  }
}

}  // namespace

void add_data_convert(CLI::App& app) {
  auto* command = app.add_subcommand("convert", "write a data set in another format");
  auto arguments = std::make_shared<DataConvertArguments>();
  add_dataset(*command, arguments->from);
  add_overrides(*command, arguments->from.locate);
  add_policies(*command, arguments->from.locate);
  const auto written = data::formats().written();
  command->add_option("--to", arguments->to, fmt::format("{}", fmt::join(written, ", ")))
      ->required()
      ->check(CLI::IsMember(written));
  command->add_option("--output", arguments->output, "new folder for the result")->required();
  command->add_flag("--copy", arguments->copy, "copy the images instead of linking to them");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace rcnn::tools
