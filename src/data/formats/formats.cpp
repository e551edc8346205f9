#include <algorithm>
#include <stdexcept>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/formats/coco.h>
#include <rcnn/data/formats/formats.h>
#include <rcnn/data/formats/voc.h>

namespace rcnn::data {
namespace {

/// Adds what the options of all formats have in common.
template <class FormatOptions>
FormatOptions complete(FormatOptions format, const DataOptions& options, const SplitOptions& split) {
  format.classes = options.classes;
  format.bad_boxes = options.bad_boxes;
  format.bad_images = options.bad_images;
  format.limit = split.limit;
  format.max_megapixels = options.max_megapixels;
  return format;
}

std::shared_ptr<Dataset> open_voc(const DataOptions& options, const SplitOptions& split, Problems& problems) {
  const VocOptions voc{.root = options.root, .split = split.split};
  return read_voc(complete(voc, options, split), problems);
}

std::shared_ptr<Dataset> open_coco(const DataOptions& options, const SplitOptions& split,
                                   Problems& problems) {
  const CocoOptions coco{
      .annotations = split.annotations, .images = split.images, .keep_empty = split.keep_empty};
  return read_coco(complete(coco, options, split), problems);
}

}  // namespace

void Formats::add(const std::string& name, OpenFormat open) {
  if (find(name) != nullptr)
    throw std::invalid_argument(fmt::format("formats: the name '{}' is taken", name));
  formats_.emplace_back(name, std::move(open));
}

const OpenFormat* Formats::find(const std::string& name) const {
  const auto found = std::ranges::find(formats_, name, &std::pair<std::string, OpenFormat>::first);
  return found == formats_.end() ? nullptr : &found->second;
}

std::vector<std::string> Formats::names() const {
  std::vector<std::string> names;
  for (const auto& [name, open] : formats_) names.push_back(name);
  return names;
}

Formats& formats() {
  static Formats table({{"voc", open_voc}, {"coco", open_coco}});
  return table;
}

}  // namespace rcnn::data
