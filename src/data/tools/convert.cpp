#include <algorithm>
#include <set>
#include <system_error>

#include <spdlog/fmt/ranges.h>

#include <rcnn/data/tools/convert.h>
#include <rcnn/error.h>
#include <rcnn/io/files/new_folder.h>

#include "data/images/image_ending.h"
#include "data/passed_over.h"
#include "data/paths.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

/// A folder that is there only if everything in it was written.
class WholeFolder {
 public:
  /// Throws ConfigError unless `folder` is new or empty.
  explicit WholeFolder(const fs::path& folder) : folder_(folder), is_new_(!is_there(folder)) {
    io::make_new_folder(folder);
  }
  ~WholeFolder() {
    if (is_whole_) return;
    std::error_code ignored;  // what went wrong is being said already
    for (const auto& entry : fs::directory_iterator(folder_, ignored)) fs::remove_all(entry.path(), ignored);
    if (is_new_) fs::remove(folder_, ignored);
  }
  WholeFolder(const WholeFolder&) = delete;
  WholeFolder& operator=(const WholeFolder&) = delete;

  void keep() { is_whole_ = true; }

 private:
  const fs::path folder_;
  const bool is_new_;
  bool is_whole_ = false;
};

void check_names(std::span<const AnnotatedPart> parts) {
  std::set<std::string> names;
  for (const auto& part : parts) {
    if (!names.insert(part.name).second)
      throw ConfigError(fmt::format("convert: two parts are called {}", part.name));
  }
}

/// Images that would not be found where folders are gone through, as in formats whose files do not list them.
Problems lost_images(std::span<const AnnotatedPart> parts) {
  Problems problems;
  for (const auto& part : parts) {
    for (const auto& image : part.content.images) {
      const fs::path name = image.file_name;
      if (std::ranges::any_of(name, [](const fs::path& each) { return is_passed_over(each.string()); })) {
        problems.error("an image's name that is passed over where folders are read", image.file_name);
      } else if (!has_image_ending(name.filename().string())) {
        problems.error("an image's ending that is not looked for in folders", image.file_name);
      }
    }
  }
  return problems;
}

}  // namespace

void convert(std::span<const AnnotatedPart> parts, const std::string& to, const fs::path& output,
             ImageFiles images, Problems& problems) {
  const auto written = formats().written();
  if (std::ranges::find(written, to) == written.end()) {
    throw ConfigError(fmt::format("convert: {} is not written; what is: {}", to, fmt::join(written, ", ")));
  }
  check_names(parts);
  const bool lists_images = to == "coco" || to == "voc";
  Problems found = lists_images ? Problems() : lost_images(parts);
  WholeFolder folder(output);
  if (!found.has(Severity::error)) formats().at(to).write(output, parts, images, found);
  if (found.has(Severity::error)) {
    throw DataError(
        fmt::format("{}: cannot be written as {}:{}", output.string(), to, found.text(Severity::error)));
  }
  problems.add(found);
  folder.keep();
}

}  // namespace rcnn::data
