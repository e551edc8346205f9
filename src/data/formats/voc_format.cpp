#include "data/formats/voc_format.h"

#include <algorithm>
#include <string_view>

#include <spdlog/fmt/fmt.h>

#include <rcnn/config/config.h>
#include <rcnn/data/formats/voc.h>
#include <rcnn/error.h>

#include "data/formats/common_options.h"
#include "data/formats/voc_folder.h"
#include "data/paths.h"
#include "text.h"
#include "text_file.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

/// Whether the first line that says anything has the second column of VOC's lists of one class.
bool has_second_column(const fs::path& list) {
  constexpr size_t kLooked = 4096;
  const auto head = read_head(list, kLooked);
  const auto text = trimmed(head);
  const auto line = trimmed(text.substr(0, text.find('\n')));
  return is_presence(trimmed(line.substr(std::min(line.find_first_of(" \t"), line.size()))));
}

std::vector<DatasetPart> voc_parts(const fs::path& root, const LocateOptions& options) {
  if (!is_there(root / "ImageSets/Main")) return {};
  options.refuse_images(root);
  const fs::path folder = root / "ImageSets/Main";
  const auto lists = stems_in(folder, "", ".txt");
  std::vector<DatasetPart> parts;
  for (const auto& list : lists) {
    const bool of_one_class =
        std::any_of(lists.begin(), lists.end(), [&](auto& whole) { return list.ends_with("_" + whole); }) &&
        has_second_column(folder / (list + ".txt"));
    if (of_one_class) continue;
    DatasetPart part{.name = list, .options = {}, .split = {.split = list}};
    part.options.root = root;
    parts.push_back(std::move(part));
  }
  if (parts.empty()) throw DataError(fmt::format("{}: holds no list of images, NAME.txt", folder.string()));
  return parts;
}

SourceOptions voc_source(const config::Node& train, const std::filesystem::path& list) {
  const auto folder = list.parent_path();
  if (!folder.string().ends_with("ImageSets/Main") || list.extension() != ".txt") {
    throw train.error("sources",
                      fmt::format("must be lists ROOT/ImageSets/Main/NAME.txt, not {}", list.string()));
  }
  const auto root = folder.parent_path().parent_path();
  return {.name = (root / list.stem()).string(), .root = config::data_path(root), .split = list.stem()};
}

std::shared_ptr<Dataset> open_voc(const DataOptions& options, const SplitOptions& split, Problems& problems) {
  const VocOptions voc{.root = options.root, .split = split.split};
  return read_voc(with_common_options(voc, options, split), problems);
}

}  // namespace

Format voc_format() {
  return {.read_split = [](const config::Node& part, const DataOptions&,
                           SplitOptions& split) { part.read("split", split.split); },
          .source = voc_source,
          .open = open_voc,
          .parts = voc_parts};
}

}  // namespace rcnn::data
