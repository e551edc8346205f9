#include <memory>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/image.h>
#include <rcnn/data/sample.h>
#include <rcnn/log.h>
#include <rcnn/train/run_folder.h>
#include <rcnn/vis/contact_sheet.h>

#include "data_commands.h"

namespace rcnn::tools {
namespace {

constexpr int kBadImages = 3;
constexpr int64_t kImagesOnAPage = 24;

struct Arguments {
  DatasetArguments dataset;
  std::filesystem::path output;
  int64_t count = 24;
  uint64_t seed = 0;
};

struct Opened {
  std::shared_ptr<data::Dataset> dataset;
  bool complete = true;
};

/// Images that cannot be read are left out, with a warning that names them.
Opened open_readable(data::DatasetPart part) {
  try {
    part.options.bad_images = data::Policy::stop;
    return {data::open(part.options, part.split)};
  } catch (const DataError&) {
    part.options.bad_images = data::Policy::skip;
    return {data::open(part.options, part.split), false};
  }
}

/// Returns whether every image could be read.
bool show(const data::DatasetPart& part, const Arguments& arguments) {
  auto [dataset, complete] = open_readable(part);
  const auto chosen = data::sample(dataset->size(), arguments.count, arguments.seed);
  int64_t pages = 0, shown = 0;
  for (size_t next = 0; next < chosen.size();) {
    vis::ContactSheet sheet(dataset->categories());
    for (; next < chosen.size() && sheet.size() < kImagesOnAPage; ++next) {
      const auto& record = dataset->record(chosen[next]);
      std::vector<vis::SheetBox> boxes;
      for (const auto& object : record.objects) boxes.push_back({object.box, object.label, object.ignore});
      try {
        sheet.add(dataset->image(chosen[next]), boxes, record.image.filename());
      } catch (const DataError& error) {
        log::warn(error.what());
        complete = false;
      }
    }
    if (sheet.size() == 0) continue;
    data::write_image(arguments.output / fmt::format("{}_{}.jpg", part.name, ++pages), sheet.page());
    shown += sheet.size();
  }
  log::info(fmt::format("{}: {} of {} images on {} {} in {}", part.name, shown, dataset->size(), pages,
                        pages == 1 ? "page" : "pages", arguments.output.string()));
  return complete;
}

}  // namespace

void add_data_show(CLI::App& app) {
  auto* command = app.add_subcommand("show", "draw a random choice of a data set's images with their boxes");
  auto arguments = std::make_shared<Arguments>();
  add_dataset(*command, arguments->dataset);
  command->add_option("--output", arguments->output, "folder for the pages, PART_1.jpg ...; new or empty")
      ->required();
  command->add_option("--count", arguments->count, "images of each part, 24 a page")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--seed", arguments->seed, "of the choice")->capture_default_str();
  command->callback([arguments] {
    const auto parts = arguments->dataset.parts();
    train::RunFolder::create(arguments->output);  // nothing of the user's is written over
    bool complete = true;
    for (const auto& part : parts) complete &= show(part, *arguments);
    if (complete) return;
    log::warn("some images could not be read");
    throw CLI::RuntimeError(kBadImages);
  });
}

}  // namespace rcnn::tools
