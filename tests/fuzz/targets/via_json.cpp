#include "data/formats/via/via_file.h"
#include "fuzz_data.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rcnn::data;
  return fuzz(data, size, [&](const std::filesystem::path& file, Problems& problems) {
    for (const auto& image : read_via_file(file, {}, size % 2 == 0, problems)) {
      for (const auto& region : image.regions) {
        require(rcnn::is_utf8(region.class_name));
        require(std::ranges::all_of(region.annotation.box, [](double side) { return std::isfinite(side); }));
      }
    }
  });
}
