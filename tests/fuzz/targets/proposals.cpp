#include <algorithm>
#include <cmath>

#include <rcnn/data/proposals/proposal_file.h>

#include "fuzz_data.h"

/// Stored proposals of every kind: the seeds choose which of them is looked at.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rcnn::data;
  return fuzz(data, size, [](const std::filesystem::path& file, Problems&) {
    const auto list = read_proposals(file);
    require(!list.images.empty());
    for (const auto& image : list.images) {
      require(rcnn::is_utf8(image.id) && (list.has_ids || image.id.empty()));
      require(image.scores.empty() || image.scores.size() == image.boxes.size());
      require(std::ranges::is_sorted(image.scores, std::greater()));
      require(std::ranges::all_of(image.boxes, [](const rcnn::Box& box) {
        return std::isfinite(box.width()) && std::isfinite(box.height()) && box.x1 <= box.x2 &&
               box.y1 <= box.y2;
      }));
    }
  });
}
