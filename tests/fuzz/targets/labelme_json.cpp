#include "data/formats/labelme/labelme_file.h"
#include "fuzz_data.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rcnn::data;
  return fuzz(data, size, [&](const std::filesystem::path& file, Problems& problems) {
    const auto [kind, content] =
        read_labelme_file(file.parent_path(), file.filename(), {}, size % 2 == 0, problems);
    for (const auto& object : content.objects) {
      require(rcnn::is_utf8(object.label));
      require(std::ranges::all_of(object.annotation.box, [](double side) { return std::isfinite(side); }));
    }
  });
}
