#include <rcnn/data/formats/voc/voc_file.h>

#include "fuzz_data.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rcnn::data;
  return fuzz(data, size, [](const std::filesystem::path& file, Problems& problems) {
    const auto content = read_voc_file(file, "a.xml", problems);
    if (!content) return;
    for (const auto& object : content->objects) {
      require(!object.name.empty() && rcnn::is_utf8(object.name));
      require(std::ranges::all_of(object.corners, [](double corner) { return std::isfinite(corner); }));
    }
  });
}
