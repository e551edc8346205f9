#include "score_proposals.h"

#include <algorithm>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/formats/coco/coco_file.h>
#include <rcnn/data/proposals/proposal_file.h>
#include <rcnn/error.h>

#include "evaluate.h"
#include "print_score.h"

namespace rcnn::tools {
namespace {

/// The images that a COCO file lists. Nobody asks for their pixels.
class ListedRecords : public data::Dataset {
 public:
  explicit ListedRecords(const data::CocoFile& file) : categories_(file.categories) {
    std::unordered_map<int64_t, std::string> texts;
    for (const auto& [text, id] : file.text_ids.images) texts.emplace(id, text);
    for (const auto& image : file.images) {
      const auto text = texts.find(image.id);
      records_.push_back({.id = text == texts.end() ? std::to_string(image.id) : text->second,
                          .image = image.file_name,
                          .size = image.size});
    }
  }

  int64_t size() const override { return std::ssize(records_); }
  const data::Record& record(int64_t index) const override { return records_.at(static_cast<size_t>(index)); }
  const std::vector<Category>& categories() const override { return categories_; }

 private:
  std::vector<data::Record> records_;
  std::vector<Category> categories_;
};

}  // namespace

void score_proposals(const DatasetArguments& dataset, const std::filesystem::path& proposals, bool json) {
  const auto has_own = [](const data::DatasetPart& part) { return !part.split.proposals.empty(); };
  if (proposals.empty() && std::ranges::none_of(dataset.parts(), has_own)) {
    throw ConfigError(
        "eval: give --weights F to score a model on the data, or --proposal-file F to score stored "
        "proposals");
  }
  auto part = dataset.only_part();
  for (const auto& word : dataset.locate.overrides) {
    if (word.find(".proposal_limit=") != std::string::npos)
      throw ConfigError(fmt::format("eval: {}: all proposals of a file are scored", word));
  }
  const auto file = proposals.empty() ? part.split.proposals : proposals;
  part.split.proposals.clear();
  const auto opened = data::open_counting(part.options, part.split);
  data::Problems problems;
  auto images = data::with_proposals(
      opened.dataset, data::read_proposals(file),
      {.file = file, .bad_boxes = part.options.bad_boxes, .bad_images = part.options.bad_images}, problems);
  problems.settle(file.string());
  part.options.test = std::move(part.split);
  print(stored_proposal_score({std::move(part.options), std::move(images),
                               opened.images_left_out + problems.left_out("bad_images")}),
        json);
}

void score_listed_proposals(const std::filesystem::path& annotations, const std::filesystem::path& proposals,
                            bool json) {
  const auto listed = std::make_shared<ListedRecords>(data::read_coco_file(annotations));
  data::Problems problems;
  auto images = data::with_proposals(listed, data::read_proposals(proposals), {.file = proposals}, problems);
  problems.settle(annotations.string());
  data::DataOptions options{.type = "coco"};
  options.test = {.annotations = annotations};
  print(stored_proposal_score({std::move(options), std::move(images)}), json);
}

}  // namespace rcnn::tools
