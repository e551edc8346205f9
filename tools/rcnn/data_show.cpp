#include <memory>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/dataset.h>
#include <rcnn/data/images/image.h>
#include <rcnn/data/loading/sample.h>
#include <rcnn/io/files/new_folder.h>
#include <rcnn/log.h>
#include <rcnn/vis/contact_sheet.h>

#include "commands.h"
#include "data_commands.h"

namespace rcnn::tools {
namespace {

constexpr int64_t kImagesOnAPage = 24;

struct DataShowArguments {
  DatasetArguments dataset;
  std::filesystem::path output;
  int64_t count = 24;
  uint64_t seed = 0;
};

/// Shows what can be read; returns whether that is everything.
bool show(const data::DatasetPart& part, const DataShowArguments& arguments) {
  data::Problems problems;
  const auto dataset = data::open(part.options, part.split, problems);
  bool complete = !problems.has(data::Severity::error);
  if (!complete) log::warn(fmt::format("{}:{}", part.name, problems.text(data::Severity::error)));
  const auto chosen = data::sample(dataset->size(), arguments.count, arguments.seed);
  int64_t pages = 0, shown = 0;
  for (size_t next = 0; next < chosen.size();) {
    vis::ContactSheet sheet(dataset->categories());
    for (; next < chosen.size() && sheet.size() < kImagesOnAPage; ++next) {
      const auto& record = dataset->record(chosen[next]);
      std::vector<vis::SheetBox> boxes;
      for (const auto& object : record.objects) boxes.push_back({object.box, object.label, object.ignore});
      try {
        sheet.add(data::checked_image(*dataset, chosen[next]), boxes, record.image.filename());
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
  auto arguments = std::make_shared<DataShowArguments>();
  add_dataset(*command, arguments->dataset);
  add_overrides(*command, arguments->dataset.locate);
  add_policies(*command, arguments->dataset.locate);
  command->add_option("--output", arguments->output, "folder for the pages, PART_1.jpg ...; new or empty")
      ->required();
  command->add_option("--count", arguments->count, "images of each part, 24 a page")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--seed", arguments->seed, "of the choice")->capture_default_str();
  command->callback([arguments] {
    const auto parts = arguments->dataset.parts();
    io::make_new_folder(arguments->output);
    bool complete = true;
    for (const auto& part : parts) complete &= show(part, *arguments);
    if (complete) return;
    log::warn("not everything could be shown; rcnn data check says what is wrong");
    throw CLI::RuntimeError(kBadData);
  });
}

}  // namespace rcnn::tools
