#include "data/formats/cvat/cvat_file.h"
#include "fuzz_data.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rcnn::data;
  const auto check_shape = [](const CvatShape& shape) {
    require(std::ranges::all_of(shape.upright(), [](double side) { return std::isfinite(side); }));
  };
  return fuzz(data, size, [&](const std::filesystem::path& file, Problems& problems) {
    const auto content = read_cvat_file(file, {}, size % 2 == 0, problems);
    require(content.frames.step > 0);
    for (const auto& image : content.images) std::ranges::for_each(image.shapes, check_shape);
    for (const auto& track : content.tracks) {
      std::ranges::for_each(track.shapes, check_shape);
      for (size_t i = 1; i < track.shapes.size(); ++i)
        check_shape(between(track.shapes[i - 1], track.shapes[i], track.shapes[i].frame));
    }
  });
}
