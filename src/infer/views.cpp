#include <algorithm>
#include <cmath>

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/boxes/box.h>
#include <rcnn/data/loading/transforms.h>
#include <rcnn/error.h>
#include <rcnn/infer/views.h>

namespace rcnn {
namespace {

void check(const ViewOptions& options) {
  for (const auto size : options.min_sizes) TORCH_CHECK(size > 0, "views: min_sizes: got ", size);
  TORCH_CHECK(options.tile >= 0, "views: tile: expected a length in pixels or 0, got ", options.tile);
  TORCH_CHECK(options.overlap >= 0 && options.overlap <= 0.9, "views: overlap: expected 0 to 0.9, got ",
              options.overlap);
}

/// Where tiles begin along a side: as few as overlap enough, evenly spread.
std::vector<int64_t> tile_starts(int64_t length, const ViewOptions& options) {
  if (length <= options.tile) return {0};
  const auto step = static_cast<double>(options.tile) * (1 - options.overlap);
  const auto room = static_cast<double>(length - options.tile);
  const auto steps = static_cast<int64_t>(std::ceil(room / std::max(step, 1.0)));
  std::vector<int64_t> starts;
  for (int64_t i = 0; i <= steps; ++i) {
    starts.push_back(std::llround(room * static_cast<double>(i) / static_cast<double>(steps)));
  }
  return starts;
}

/// Views without scale and flip: the image, and its tiles where it is larger than one.
std::vector<View> parts_of(ImageSize image, const ViewOptions& options) {
  std::vector<View> parts = {{.part = image}};
  if (options.tile == 0 || (image.height <= options.tile && image.width <= options.tile)) return parts;
  const ImageSize tile{std::min(image.height, options.tile), std::min(image.width, options.tile)};
  for (const auto y : tile_starts(image.height, options)) {
    for (const auto x : tile_starts(image.width, options)) parts.push_back({.x = x, .y = y, .part = tile});
  }
  return parts;
}

/// Boxes in a part's pixels, mirrored with it.
at::Tensor mirrored(const at::Tensor& boxes, ImageSize part) {
  const auto width = static_cast<double>(part.width);
  return at::stack(
      {width - boxes.select(1, 2), boxes.select(1, 1), width - boxes.select(1, 0), boxes.select(1, 3)}, 1);
}

bool are_of_one_part(const View& a, const View& b) {
  return a.x == b.x && a.y == b.y && a.part == b.part;
}

/// int64 [P]: for each box, in the image's pixels, the place of the view of `scales` in which its area is
/// nearest to ImageNet's.
at::Tensor nearest_scale(const at::Tensor& boxes, const std::vector<View>& scales) {
  constexpr double kCanonicalArea = 224.0 * 224.0;
  const auto corners = boxes.unbind(1);
  const auto area = (corners[2] - corners[0]) * (corners[3] - corners[1]);
  std::vector<at::Tensor> differences;
  for (const auto& view : scales) {
    const auto height = static_cast<double>(view.network.height) / static_cast<double>(view.part.height);
    const auto width = static_cast<double>(view.network.width) / static_cast<double>(view.part.width);
    differences.push_back((area * (height * width) - kCanonicalArea).abs());
  }
  return at::stack(differences).argmin(0);
}

/// bool [N]: whether boxes in a part's pixels keep off its sides that lie inside the image.
at::Tensor uncut(const at::Tensor& boxes, const View& view, ImageSize image) {
  constexpr double kClose = 0.01;
  const auto height = static_cast<double>(view.part.height), width = static_cast<double>(view.part.width);
  auto whole = at::ones({boxes.size(0)}, boxes.options().dtype(at::kBool));
  if (view.x > 0) whole &= boxes.select(1, 0) > kClose * width;
  if (view.y > 0) whole &= boxes.select(1, 1) > kClose * height;
  if (view.x + view.part.width < image.width) whole &= boxes.select(1, 2) < (1 - kClose) * width;
  if (view.y + view.part.height < image.height) whole &= boxes.select(1, 3) < (1 - kClose) * height;
  return whole;
}

}  // namespace

std::vector<View> views_of(ImageSize image, const ViewOptions& options, int64_t min_size, int64_t max_size,
                           Resize resize) {
  check(options);
  const auto min_sizes = options.min_sizes.empty() ? std::vector{min_size} : options.min_sizes;
  std::vector<View> views;
  for (auto view : parts_of(image, options)) {
    for (const auto size : min_sizes) {
      view.network = data::resized(view.part, size, max_size * size / min_size, resize);
      for (const bool flipped : {false, true}) {
        view.flipped = flipped;
        if (!flipped || options.flip) views.push_back(view);
      }
    }
  }
  return views;
}

void check_views(ImageSize image, std::span<const View> views, int64_t max_megapixels) {
  for (const auto& view : views) {
    const auto [height, width] = view.network;
    if (width <= max_megapixels * 1'000'000 / std::max<int64_t>(height, 1)) continue;
    throw DataError(fmt::format(
        "its {} x {} pixels, seen by the network as {} x {}, would be more than {} megapixels; give smaller "
        "--scales or data.min_size, or raise the bound (--max-megapixels, data.max_megapixels)",
        image.width, image.height, width, height, max_megapixels));
  }
}

at::Tensor pixels_of(const at::Tensor& image, const View& view) {
  const auto part = image.narrow(0, view.y, view.part.height).narrow(1, view.x, view.part.width);
  return view.flipped ? part.flip(1) : part;
}

std::vector<at::Tensor> proposals_of(const at::Tensor& boxes, std::span<const View> views, ImageSize image) {
  std::vector<at::Tensor> result;
  std::vector<View> scales;  // of the part
  at::Tensor nearest;
  for (const auto& view : views) {
    if (scales.empty() || !are_of_one_part(scales.front(), view)) {
      scales.clear();
      for (const auto& other : views) {
        const bool known = std::ranges::find(scales, other.network, &View::network) != scales.end();
        if (are_of_one_part(view, other) && !known) scales.push_back(other);
      }
      nearest = nearest_scale(boxes, scales);
    }
    const auto scale = std::ranges::find(scales, view.network, &View::network) - scales.begin();
    const auto corner = at::tensor({view.x, view.y, view.x, view.y}, boxes.options());
    auto within = boxes::clip(boxes - corner, view.part);
    auto chosen = nearest == scale;
    if (view.part != image) {
      chosen =
          chosen & (within.select(1, 2) > within.select(1, 0)) & (within.select(1, 3) > within.select(1, 1));
    }
    within = within.index_select(0, chosen.nonzero().squeeze(1));
    result.push_back(
        boxes::rescale(view.flipped ? mirrored(within, view.part) : within, view.part, view.network));
  }
  return result;
}

Detections in_image(const Detections& found, const View& view, ImageSize image) {
  // Rounding can carry a box on the border past it.
  auto boxes = boxes::clip(boxes::rescale(found.boxes, view.network, view.part), view.part);
  if (view.flipped) boxes = mirrored(boxes, view.part);
  if (view.part == image) return {boxes, found.scores, found.labels};
  const auto rows = uncut(boxes, view, image).nonzero().squeeze(1);
  const auto corner = at::tensor({view.x, view.y, view.x, view.y}, boxes.options());
  return {boxes.index_select(0, rows) + corner, found.scores.index_select(0, rows),
          found.labels.index_select(0, rows)};
}

}  // namespace rcnn
