#include <algorithm>
#include <array>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>

#include <c10/util/Exception.h>
#include <opencv2/imgproc.hpp>
#include <opencv2/ximgproc/segmentation.hpp>

#include <rcnn/data/proposals/selective_search.h>

#include "data/images/mat.h"
#include "data/loading/random.h"

namespace rcnn::data {
namespace {

namespace segmentation = cv::ximgproc::segmentation;
using SearchMode = SelectiveSearchOptions::Mode;

constexpr std::array kSearchModes = {std::pair("single", SearchMode::single),
                                     std::pair("fast", SearchMode::fast),
                                     std::pair("quality", SearchMode::quality)};

/// All boxes that OpenCV finds, best first, each once.
std::vector<cv::Rect> search_regions(const cv::Mat& bgr, SearchMode mode, uint64_t seed) {
  const auto method = segmentation::createSelectiveSearchSegmentation();
  method->setBaseImage(bgr);
  switch (mode) {
    case SearchMode::single:
      method->switchToSingleStrategy();
      break;
    case SearchMode::fast:
      method->switchToSelectiveSearchFast();
      break;
    case SearchMode::quality:
      method->switchToSelectiveSearchQuality();
      break;
  }
  std::vector<cv::Rect> rectangles;
  static std::mutex of_rand;
  const std::lock_guard lock(of_rand);
  std::srand(static_cast<unsigned>(mix(seed)));
  method->process(rectangles);
  return rectangles;
}

}  // namespace

std::optional<SearchMode> SelectiveSearchOptions::mode_of(const std::string& word) {
  const auto known = std::ranges::find(kSearchModes, word, [](const auto& mode) { return mode.first; });
  return known == kSearchModes.end() ? std::nullopt : std::optional(known->second);
}

std::string SelectiveSearchOptions::word() const {
  return std::ranges::find(kSearchModes, mode, [](const auto& named) { return named.second; })->first;
}

std::vector<Box> selective_search(const at::Tensor& image, const SelectiveSearchOptions& options,
                                  uint64_t seed) {
  TORCH_CHECK(options.limit >= 0 && options.min_side >= 0, "selective_search: limit ", options.limit,
              ", min_side ", options.min_side, "; expected 0 or more");
  TORCH_CHECK(image.numel() > 0, "selective_search: an image without pixels, ", image.sizes());
  try {
    cv::Mat bgr;
    cv::cvtColor(as_mat(image.contiguous()), bgr, cv::COLOR_RGB2BGR);
    std::vector<Box> boxes;
    for (const auto& found : search_regions(bgr, options.mode, seed)) {
      if (std::min(found.width, found.height) < options.min_side) continue;
      boxes.push_back({static_cast<float>(found.x), static_cast<float>(found.y),
                       static_cast<float>(found.x + found.width),
                       static_cast<float>(found.y + found.height)});
      if (std::ssize(boxes) == options.limit) break;
    }
    if (boxes.empty()) boxes.push_back({0, 0, static_cast<float>(bgr.cols), static_cast<float>(bgr.rows)});
    return boxes;
  } catch (const cv::Exception& error) {
    if (error.code == cv::Error::StsNoMem) throw std::bad_alloc();
    throw;
  }
}

}  // namespace rcnn::data
