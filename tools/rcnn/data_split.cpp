#include <charconv>
#include <iostream>
#include <memory>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/tools/split.h>
#include <rcnn/error.h>
#include <rcnn/log.h>
#include <rcnn/printable.h>

#include "data_commands.h"

namespace rcnn::tools {
namespace {

struct DataSplitArguments {
  DatasetArguments dataset;
  std::filesystem::path output;
  std::vector<std::string> parts;  // "train=0.8"
  uint64_t seed = 0;
};

data::SplitShare parse_share(const std::string& text) {
  const size_t equals = text.find('=');
  data::SplitShare part{.name = text.substr(0, equals)};
  const char* end = text.data() + text.size();
  const char* number = equals == std::string::npos ? end : text.data() + equals + 1;
  const auto [stop, error] = std::from_chars(number, end, part.share);
  if (error != std::errc() || stop != end)
    throw ConfigError(fmt::format("--parts: \"{}\" is no NAME=SHARE, as in train=0.8,val=0.2", text));
  return part;
}

/// How many images of each part show each class.
void print_table(const std::vector<data::WrittenPart>& parts) {
  size_t width = 6;
  for (const auto& [name, images] : parts.front().class_images)
    width = std::max(width, printable(name).size());
  const auto print_row = [&](const std::string& name, auto cell) {
    std::cout << fmt::format("{:<{}}", printable(name), width);
    for (const auto& part : parts)
      std::cout << fmt::format("  {:>{}}", cell(part), std::max<size_t>(8, part.name.size()));
    std::cout << '\n';
  };
  print_row("images", [](const auto& part) { return part.name; });
  for (const auto& [name, images] : parts.front().class_images)
    print_row(name, [&name = name](const auto& part) { return part.class_images.at(name); });
  print_row("all", [](const auto& part) { return part.images; });
}

void run(const DataSplitArguments& arguments) {
  std::vector<data::SplitShare> shares;
  for (const auto& text : arguments.parts) shares.push_back(parse_share(text));
  const auto part = arguments.dataset.only_part();
  const auto written = data::write_split(part, arguments.output, shares, arguments.seed);
  print_table(written);
  for (const auto& part : written) log::info(fmt::format("{} images in {}", part.images, part.file.string()));
}

}  // namespace

void add_data_split(CLI::App& app) {
  auto* command = app.add_subcommand("split", "split a part of a data set at random, every class evenly");
  auto arguments = std::make_shared<DataSplitArguments>();
  add_dataset(*command, arguments->dataset);
  add_overrides(*command, arguments->dataset.locate);
  add_policies(*command, arguments->dataset.locate);
  command
      ->add_option("--output", arguments->output,
                   "folder for NAME.txt (VOC: lists for ImageSets/Main) or instances_NAME.json (COCO)")
      ->required();
  command->add_option("--parts", arguments->parts, "NAME=SHARE,...: names and shares, which sum to 1")
      ->delimiter(',')
      ->required()
      ->allow_extra_args(false);
  command->add_option("--seed", arguments->seed, "of the choice")->capture_default_str();
  command->callback([arguments] { run(*arguments); });
}

}  // namespace rcnn::tools
