#include "score_proposals.h"

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/formats/coco/coco_file.h>
#include <rcnn/data/proposals/proposal_file.h>
#include <rcnn/error.h>

#include "coco_files.h"
#include "print_score.h"

namespace rcnn::tools {
namespace {

/// The image ids of the annotations by what a list of proposals may call them.
std::unordered_map<std::string, int64_t> ids_by_name(const data::CocoFile& file, bool by_stem) {
  std::unordered_map<std::string, int64_t> ids;
  if (by_stem) {
    for (const auto& image : file.images)
      ids.emplace(std::filesystem::path(image.file_name).stem().string(), image.id);
    return ids;
  }
  for (const auto& image : file.images) ids.emplace(std::to_string(image.id), image.id);
  for (const auto& [text, id] : file.text_ids.images) ids[text] = id;
  return ids;
}

/// For each image of the list the id of the annotations' image.
std::vector<int64_t> join(const data::ProposalList& list, const data::CocoFile& file,
                          const std::string& name) {
  std::vector<int64_t> ids;
  if (!list.has_ids) {
    if (list.images.size() != file.images.size()) {
      throw DataError(
          fmt::format("{}: has no image ids, and {} images where the annotations have {}: it is of "
                      "another data set",
                      name, list.images.size(), file.images.size()));
    }
    for (const auto& image : file.images) ids.push_back(image.id);
    return ids;
  }
  auto known = ids_by_name(file, /*by_stem=*/false);
  if (!list.images.empty() && !known.contains(list.images.front().id)) known = ids_by_name(file, true);
  for (const auto& image : list.images) {
    const auto found = known.find(image.id);
    if (found == known.end()) {
      throw DataError(
          fmt::format("{}: image {}: the annotations have no such image: the proposals are of another "
                      "data set",
                      name, image.id));
    }
    ids.push_back(found->second);
  }
  return ids;
}

/// Throws DataError unless every image has an entry, and every box lies on its image.
void check(const data::ProposalList& list, const std::vector<int64_t>& ids, const data::CocoFile& file,
           const std::string& name) {
  std::unordered_map<int64_t, ImageSize> sizes;
  for (const auto& image : file.images) sizes.emplace(image.id, image.size);
  const auto images = sizes.size();
  int64_t beyond = 0;
  std::string first;
  std::unordered_set<int64_t> given;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (!given.insert(ids[i]).second) {
      throw DataError(
          fmt::format("{}: image {}: has two entries, or two images of the annotations have its name", name,
                      list.images[i].id));
    }
    const auto size = sizes.at(ids[i]);
    if (size.width <= 0 || size.height <= 0) continue;  // the annotations do not say it
    for (const auto& box : list.images[i].boxes) {
      if (data::lies_on(box, size)) continue;
      if (beyond++ == 0) {
        first = fmt::format("image {} of {} x {}: ({}, {}, {}, {})", list.images[i].id, size.width,
                            size.height, box.x1, box.y1, box.x2, box.y2);
      }
    }
  }
  if (given.size() < images) {
    throw DataError(
        fmt::format("{}: has no proposals of {} of the {} images of the annotations: score it against "
                    "those of its own images",
                    name, images - given.size(), images));
  }
  if (beyond > 0) {
    throw DataError(
        fmt::format("{}: {} proposals reach beyond their images, {}: the file is of another size of the "
                    "images, of other images, or counts from 1",
                    name, beyond, first));
  }
}

}  // namespace

void score_proposals(const ScoreFilesArguments& arguments, const std::filesystem::path& proposals) {
  if (!arguments.detections.empty())
    throw ConfigError("eval: give --detections or --proposal-file, not both");
  check_classes_are_not_asked_for(arguments);
  const auto file = data::read_coco_file(arguments.annotations);
  const auto list = data::read_proposals(proposals);
  const auto ids = join(list, file, proposals.string());
  check(list, ids, file, proposals.string());
  auto annotations = to_annotations(file);
  eval::CocoResults results;
  for (size_t i = 0; i < list.images.size(); ++i) {
    const auto& [id, boxes, scores] = list.images[i];
    for (size_t b = 0; b < boxes.size(); ++b) {
      const auto& box = boxes[b];
      results.detections.push_back({.image_id = ids[i],
                                    .category_id = 1,
                                    .box = {box.x1, box.y1, box.width(), box.height()},
                                    .score = scores.empty() ? 0.0 : scores[b]});  // then in their order
    }
  }
  const auto input = eval::coco_input(
      std::move(annotations), std::move(results),
      {.annotations = arguments.annotations.string(), .results = proposals.string(), .by_category = false});
  print(eval::proposal_score(input), arguments.json);
}

}  // namespace rcnn::tools
