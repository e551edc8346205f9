#include <utility>

#include "fuzz_data.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rcnn::data;
  return fuzz(data, size, [](const std::filesystem::path& file, Problems&) {
    const auto list = read_coco_results(file);
    for (const auto* names : {&list.images, &list.categories}) {
      require(names->of_results.empty() || names->of_results.size() == list.results.size());
      for (const int32_t place : names->of_results)
        require(place == CocoResultNames::kNone || std::cmp_less(place, names->names.size()));
    }
  });
}
