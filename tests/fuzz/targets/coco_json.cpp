#include "fuzz_data.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rcnn::data;
  return fuzz(data, size, [&](const std::filesystem::path& file, Problems& problems) {
    const bool with_details = size % 2 == 0;
    const auto content = read_coco_file(file, problems, {.with_details = with_details});
    check(content);
    require(with_details || content.details.empty());
  });
}
