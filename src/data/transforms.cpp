#include <algorithm>
#include <cmath>
#include <vector>

#include <ATen/ops/tensor.h>
#include <opencv2/core.hpp>

#include <rcnn/data/transforms.h>

#include "data/mat.h"
#include "data/random.h"

namespace rcnn::data {
namespace {

at::Tensor as_tensor(const std::vector<Box>& boxes) {
  at::Tensor tensor = at::empty({std::ssize(boxes), 4}, at::kFloat);
  auto* row = tensor.data_ptr<float>();
  for (const Box& box : boxes) {
    for (const float side : {box.x1, box.y1, box.x2, box.y2}) *row++ = side;
  }
  return tensor;
}

}  // namespace

ImageSize resized(ImageSize size, int64_t min_size, int64_t max_size) {
  TORCH_CHECK(size.height > 0 && size.width > 0, "resized: an image of ", size.height, " x ", size.width);
  const auto [shorter, longer] = std::minmax(size.height, size.width);
  const double scale = std::min(static_cast<double>(min_size) / static_cast<double>(shorter),
                                static_cast<double>(max_size) / static_cast<double>(longer));
  const auto side = [&](int64_t length) {
    return std::max<int64_t>(1, static_cast<int64_t>(std::floor(static_cast<double>(length) * scale)));
  };
  return {side(size.height), side(size.width)};
}

Sample transform(const at::Tensor& image, const Record& record, const TransformOptions& options,
                 uint64_t seed) {
  const ImageSize original{image.size(0), image.size(1)};
  const ImageSize size = resized(original, options.min_size, options.max_size);
  const bool flip = Random(seed).chance(options.flip);

  Sample sample{.image = image, .size = size, .target = {}};
  if (flip) {
    sample.image = empty_image(original);
    cv::flip(as_mat(image), as_mat(sample.image), 1);
  }

  const float scale_x = static_cast<float>(size.width) / static_cast<float>(original.width);
  const float scale_y = static_cast<float>(size.height) / static_cast<float>(original.height);
  std::vector<Box> boxes, ignore;
  std::vector<int64_t> labels;
  for (const Object& object : record.objects) {
    Box box{object.box.x1 * scale_x, object.box.y1 * scale_y, object.box.x2 * scale_x,
            object.box.y2 * scale_y};
    if (flip) {
      const auto width = static_cast<float>(size.width);
      box = {width - box.x2, box.y1, width - box.x1, box.y2};
    }
    (object.ignore ? ignore : boxes).push_back(box);
    if (!object.ignore) labels.push_back(object.label);
  }
  sample.target = {as_tensor(boxes), at::tensor(labels, at::kLong), as_tensor(ignore)};
  return sample;
}

}  // namespace rcnn::data
