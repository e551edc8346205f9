#include <any>

#include <rcnn/data/formats/format.h>
#include <rcnn/data/images/image.h>
#include <rcnn/data/tools/locate.h>

#include "data/formats/tables/csv_format.h"
#include "data/formats/tables/csv_parts.h"
#include "data/formats/tables/open_images_format.h"
#include "fuzz_data.h"

namespace rcnn::data {

// What the readers of tables ask of files that know decoders.

void LocateOptions::refuse_images(const std::filesystem::path&) const {}

std::vector<std::variant<ImageInfo, DataError>> image_infos(const std::vector<std::filesystem::path>& files,
                                                            int64_t, int64_t) {
  return std::vector<std::variant<ImageInfo, DataError>>(files.size(), ImageInfo{.size = {150, 200}});
}

namespace {

/// A folder of two images without a byte, for their names.
std::shared_ptr<const ImageIndex> two_images() {
  char folder[] = "/tmp/fuzz_csv_XXXXXX";
  require(mkdtemp(folder) != nullptr);
  for (const char* name : {"img1.jpg", "img2.png"}) {
    const auto file = std::filesystem::path(folder) / name;
    require(creat(file.c_str(), 0600) >= 0);
  }
  auto images = std::make_shared<ImageIndex>(Place(folder));
  std::filesystem::remove_all(folder);
  return images;
}

}  // namespace
}  // namespace rcnn::data

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rcnn::data;
  static const auto images = two_images();
  return fuzz(data, size, [&](const std::filesystem::path& file, Problems& problems) {
    DatasetPart part{.name = "all", .options = {}, .split = {}};
    const Place place(file);
    part.split.own = TablePart{.file = file,
                               .name = "a.csv",
                               .images = images,
                               .folders = {"", "images"},
                               .classes = size % 4 == 0 ? file : std::filesystem::path()};
    const bool with_details = size % 2 == 0;
    const auto tables = tables_of(place);
    const auto format = is_open_images(tables.front()) ? open_images_format() : csv_format();
    const auto result = format.read(part, with_details, problems);
    check(result.content);
    for (const auto& annotation : result.content.annotations) {
      require(annotation.image_id >= 1 &&
              std::cmp_less_equal(annotation.image_id, result.content.images.size()));
      require(!result.place(result.content.images.front(), annotation).empty());
    }
  });
}
