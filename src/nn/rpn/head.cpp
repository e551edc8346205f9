#include <torch/torch.h>

#include <rcnn/nn/rpn/head.h>

namespace rcnn::nn {
namespace {

torch::nn::Conv2d conv(int64_t in, int64_t out, int64_t kernel, double std = 0.01) {
  torch::nn::Conv2d layer(torch::nn::Conv2dOptions(in, out, kernel).padding(kernel / 2));
  torch::nn::init::normal_(layer->weight, 0, std);
  torch::nn::init::zeros_(layer->bias);
  return layer;
}

/// [N, A * K, H, W] -> [N, H * W * A, K]
at::Tensor by_anchor(const at::Tensor& map, int64_t per_anchor) {
  return map.permute({0, 2, 3, 1}).reshape({map.size(0), -1, per_anchor});
}

/// A cell lies in the patches and windows of many places, whose gradients are added up: in bfloat16 small
/// ones would get lost in a large sum, of which a convolution rounds nothing but the end.
at::Tensor sums_in_float(const at::Tensor& x) {
  return x.scalar_type() == at::kBFloat16 ? x.to(at::kFloat) : x;
}

/// Squares of a map's cells.
struct Patches {
  at::Tensor cells;   ///< [P, side, side, C], 0 outside of the map, as a convolution pads it
  at::Tensor inside;  ///< [P, side, side, 1], 1 or 0 of the cells' type
};

/// The squares of `map` [N, C, H, W] that reach `radius` around cells, which are counted through rows from
/// the top left corner of each of `images` [P]; nothing but 0 around one that the map does not have. Nothing
/// here waits for the device.
Patches patches_around(const at::Tensor& map, const at::Tensor& images, const at::Tensor& cells,
                       int64_t radius) {
  const auto channels = map.size(1), height = map.size(2), width = map.size(3);
  const auto here = (cells >= 0).logical_and(cells < height * width);
  const auto steps = at::arange(-radius, radius + 1, cells.options());
  const auto y = cells.div(width, "floor").view({-1, 1, 1}) + steps.view({-1, 1});
  const auto x = cells.remainder(width).view({-1, 1, 1}) + steps;
  const auto inside = (y >= 0)
                          .logical_and(y < height)
                          .logical_and(x >= 0)
                          .logical_and(x < width)
                          .logical_and(here.view({-1, 1, 1}));
  const auto rows = ((images.view({-1, 1, 1}) * height + y) * width + x).masked_fill(inside.logical_not(), 0);
  const auto side = 2 * radius + 1;
  const auto all = sums_in_float(map.permute({0, 2, 3, 1}).reshape({-1, channels}));
  const auto mask = inside.unsqueeze(3).to(all.scalar_type());
  const auto chosen = all.index_select(0, rows.flatten()).view({cells.size(0), side, side, channels});
  return {chosen * mask, mask};
}

/// A convolution without padding on squares [P, side, side, C] as a matrix product: backward passes of
/// convolutions with so little in each image are slow.
at::Tensor convolve(const at::Tensor& squares, const torch::nn::Conv2d& layer) {
  const auto kernel = layer->weight.size(2), side = squares.size(1) - kernel + 1;
  // [P, side, side, C, kernel, kernel]
  const auto windows = sums_in_float(squares).unfold(1, kernel, 1).unfold(2, kernel, 1);
  const auto rows = windows.reshape({squares.size(0) * side * side, layer->weight[0].numel()});
  return at::linear(rows, layer->weight.flatten(1), layer->bias)
      .view({squares.size(0), side, side, layer->weight.size(0)});
}

}  // namespace

RpnHeadImpl::RpnHeadImpl(int64_t channels, int64_t anchors_per_cell, int64_t convs,
                         std::optional<int64_t> hidden, double logit_std)
    : cls_logits_(conv(hidden.value_or(channels), anchors_per_cell, 1, logit_std)),
      bbox_pred_(conv(hidden.value_or(channels), 4 * anchors_per_cell, 1)) {
  torch::nn::ModuleList blocks;
  for (int64_t i = 0; i < convs; ++i) {
    convs_.emplace_back(conv(i == 0 ? channels : hidden.value_or(channels), hidden.value_or(channels), 3),
                        NormOptions{.type = Norm::none});
    blocks->push_back(convs_.back().block());
  }
  register_module("conv", blocks);
  register_module("cls_logits", cls_logits_);
  register_module("bbox_pred", bbox_pred_);
}

RpnPrediction RpnHeadImpl::forward(const std::vector<at::Tensor>& maps) {
  RpnPrediction prediction;
  for (const auto& map : maps) {
    auto hidden = map;
    for (auto& layer : convs_) hidden = layer.relu(hidden);
    prediction.objectness.push_back(by_anchor(cls_logits_->forward(hidden), 1).squeeze(-1));
    prediction.deltas.push_back(by_anchor(bbox_pred_->forward(hidden), 4));
  }
  return prediction;
}

AnchorPrediction RpnHeadImpl::forward_at(const std::vector<at::Tensor>& maps, const at::Tensor& anchors) {
  int64_t cells_per_image = 0;
  for (const auto& map : maps) cells_per_image += map.size(2) * map.size(3);
  const auto anchor = anchors.remainder(anchors_per_cell());
  const auto cell = anchors.div(anchors_per_cell(), "floor");
  const auto image = cell.div(cells_per_image, "floor");
  auto cell_of_level = cell.remainder(cells_per_image);

  auto radius = std::ssize(convs_);
  Patches patches;
  for (const auto& map : maps) {
    const auto of_level = patches_around(map, image, cell_of_level, radius);
    patches = patches.cells.defined()
                  ? Patches{patches.cells + of_level.cells, patches.inside + of_level.inside}
                  : of_level;
    cell_of_level = cell_of_level - map.size(2) * map.size(3);
  }
  auto hidden = patches.cells;
  for (auto& layer : convs_) {
    hidden = convolve(hidden, layer.conv()).relu_();
    // What lies outside of the map is padded with 0 for the next convolution, too.
    if (--radius > 0) {
      const auto border = std::ssize(convs_) - radius, side = 2 * radius + 1;
      hidden = hidden * patches.inside.narrow(1, border, side).narrow(2, border, side);
    }
  }
  const auto objectness = convolve(hidden, cls_logits_).flatten(1);
  const auto deltas = convolve(hidden, bbox_pred_).view({anchors.size(0), anchors_per_cell(), 4});
  const auto place = anchor.unsqueeze(1);
  return {objectness.gather(1, place).squeeze(1),
          deltas.gather(1, place.unsqueeze(2).expand({-1, 1, 4})).squeeze(1)};
}

void RpnHeadImpl::fuse(Precision precision) {
  for (auto& layer : convs_) layer.fuse(precision);
}

}  // namespace rcnn::nn
