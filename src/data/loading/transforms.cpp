#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include <ATen/ops/tensor.h>
#include <opencv2/core.hpp>

#include <rcnn/data/loading/transforms.h>

#include "data/images/mat.h"
#include "data/loading/random.h"

namespace rcnn::data {
namespace {

/// One for each transform beside flipping, which has the seed itself.
enum Stream : uint64_t { kMinSizes = 1, kScaleJitter, kColorJitter };

/// A part of an image, in its pixels, and what the network makes of it.
struct View {
  int64_t x = 0, y = 0;
  ImageSize window;
  ImageSize size;
};

/// The part of one axis.
struct Cut {
  int64_t begin, length;  // of the source
  int64_t size;           // of the network's
};

/// `length` pixels are resized to `full`, of which at most `target` are kept.
Cut cut(int64_t length, double scale, int64_t target, Random& random) {
  const auto full =
      std::max<int64_t>(1, static_cast<int64_t>(std::floor(static_cast<double>(length) * scale)));
  const double place = random.uniform();
  if (full <= target) return {0, length, full};
  const double share = static_cast<double>(target) / static_cast<double>(full);
  const auto kept = std::max<int64_t>(1, std::llround(static_cast<double>(length) * share));
  return {static_cast<int64_t>(place * static_cast<double>(length - kept + 1)), kept, target};
}

View jittered(ImageSize image, const ScaleJitterOptions& options, uint64_t seed) {
  Random random(seed);
  const double fitting =
      std::min(static_cast<double>(options.size.height) / static_cast<double>(image.height),
               static_cast<double>(options.size.width) / static_cast<double>(image.width));
  const double scale = fitting * random.uniform(options.min, options.max);
  const Cut rows = cut(image.height, scale, options.size.height, random);
  const Cut columns = cut(image.width, scale, options.size.width, random);
  return {columns.begin, rows.begin, {rows.length, columns.length}, {rows.size, columns.size}};
}

View choose_view(ImageSize image, const TransformOptions& options, uint64_t seed) {
  if (options.scale_jitter) return jittered(image, *options.scale_jitter, hash(seed, kScaleJitter));
  int64_t min_size = options.min_size;
  if (!options.min_sizes.empty()) {
    const auto which = Random(hash(seed, kMinSizes)).below(std::ssize(options.min_sizes));
    min_size = options.min_sizes[static_cast<size_t>(which)];
  }
  return {0, 0, image, resized(image, min_size, options.max_size, options.resize)};
}

/// The part of a box inside of the view, from the view's corner on.
Box clipped(const Box& box, const View& view) {
  const auto within = [](float at, int64_t begin, int64_t length) {
    return std::clamp(at - static_cast<float>(begin), 0.F, static_cast<float>(length));
  };
  return {within(box.x1, view.x, view.window.width), within(box.y1, view.y, view.window.height),
          within(box.x2, view.x, view.window.width), within(box.y2, view.y, view.window.height)};
}

/// Adds a record's boxes to its sample, each as `moved` says, which leaves some out.
template <class Move>
void add_boxes(Sample& sample, const Record& record, Move moved) {
  std::vector<Box> boxes, ignore;
  std::vector<int64_t> labels;
  for (const Object& object : record.objects) {
    const auto box = moved(object.box);
    if (!box) continue;
    (object.ignore ? ignore : boxes).push_back(*box);
    if (!object.ignore) labels.push_back(object.label);
  }
  sample.target = {to_tensor(boxes), at::tensor(labels, at::kLong), to_tensor(ignore)};
  if (record.proposals) {
    std::vector<Box> proposals;
    for (const Box& proposal : *record.proposals) {
      if (const auto box = moved(proposal)) proposals.push_back(*box);
    }
    sample.proposals = to_tensor(proposals);
  }
}

}  // namespace

at::Tensor to_tensor(std::span<const Box> boxes) {
  at::Tensor tensor = at::empty({std::ssize(boxes), 4}, at::kFloat);
  auto* row = tensor.data_ptr<float>();
  for (const Box& box : boxes) {
    for (const float side : {box.x1, box.y1, box.x2, box.y2}) *row++ = side;
  }
  return tensor;
}

ImageSize resized(ImageSize size, int64_t min_size, int64_t max_size, Resize resize) {
  TORCH_CHECK(size.height > 0 && size.width > 0, "resized: an image of ", size.height, " x ", size.width);
  const auto height = static_cast<double>(size.height), width = static_cast<double>(size.width);
  const auto shorter = std::min(height, width), longer = std::max(height, width);
  const auto min = static_cast<double>(min_size), max = static_cast<double>(max_size);
  const auto side = [](double length) { return std::max<int64_t>(1, static_cast<int64_t>(length)); };
  if (resize == Resize::pillow) {
    // The shorter side is exactly min_size before it may be scaled again.
    const double scale = min / shorter, long_side = scale * longer;
    const double again = long_side > max ? max / long_side : 1;
    const double new_height = (height < width ? min : scale * height) * again;
    const double new_width = (height < width ? scale * width : min) * again;
    return {side(new_height + 0.5), side(new_width + 0.5)};
  }
  const double scale = std::min(min / shorter, max / longer);
  const double rounding = resize == Resize::opencv ? 0.5 : 0;
  return {side(height * scale + rounding), side(width * scale + rounding)};
}

Sample transform(const at::Tensor& image, const Record& record, const TransformOptions& options,
                 uint64_t seed) {
  const ImageSize original{image.size(0), image.size(1)};
  TORCH_CHECK(original.height > 0 && original.width > 0, "transform: an image of ", original.height, " x ",
              original.width);
  const View view = choose_view(original, options, seed);
  const auto [height, width] = view.size;
  const bool cut = view.window != original;
  const bool flip = Random(seed).chance(options.flip);
  const bool recolor = options.color_jitter != ColorJitterOptions();

  Sample sample{.image = image, .size = view.size, .target = {}};
  if (cut || flip || recolor) {  // the data set's own pixels stay as they are
    const cv::Rect window(static_cast<int>(view.x), static_cast<int>(view.y),
                          static_cast<int>(view.window.width), static_cast<int>(view.window.height));
    const cv::Mat source = as_mat(image)(window);
    sample.image = empty_image(view.window);
    cv::Mat out = as_mat(sample.image);
    flip ? cv::flip(source, out, 1) : source.copyTo(out);
  }
  if (recolor) jitter_color(sample.image, options.color_jitter, hash(seed, kColorJitter));

  const float scale_x = static_cast<float>(width) / static_cast<float>(view.window.width);
  const float scale_y = static_cast<float>(height) / static_cast<float>(view.window.height);
  /// Nothing for a box of which the cut leaves nothing.
  const auto moved = [&, width = static_cast<float>(width)](Box box) -> std::optional<Box> {
    if (cut) {
      box = clipped(box, view);
      if (box.width() <= 0 || box.height() <= 0) return std::nullopt;
    }
    box = {box.x1 * scale_x, box.y1 * scale_y, box.x2 * scale_x, box.y2 * scale_y};
    return flip ? Box{width - box.x2, box.y1, width - box.x1, box.y2} : box;
  };
  add_boxes(sample, record, moved);
  return sample;
}

Sample boxes_of(const Record& record) {
  Sample sample{.image = {}, .size = record.size, .target = {}};
  add_boxes(sample, record, [](const Box& box) { return std::optional(box); });
  return sample;
}

}  // namespace rcnn::data
