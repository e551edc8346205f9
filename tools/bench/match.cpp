#include <c10/util/StringUtil.h>

#include <rcnn/boxes/anchors.h>
#include <rcnn/ops/match_boxes.h>

#include "cases.h"

namespace rcnn::bench {
namespace {

constexpr ImageSize kImage{800, 1344};

/// All anchors of a feature pyramid over the image: 268,569.
at::Tensor anchors() {
  const std::vector<int64_t> strides = {4, 8, 16, 32, 64};
  std::vector<ImageSize> maps;
  for (const int64_t stride : strides)
    maps.push_back({(kImage.height + stride - 1) / stride, (kImage.width + stride - 1) / stride});
  boxes::AnchorGenerator generator({.sizes = {32, 64, 128, 256, 512}, .ratios = {0.5, 1, 2}}, strides);
  return at::cat(generator.anchors(maps, at::kCPU));
}

Work match(const at::Tensor& candidates, int64_t truths, at::Device device) {
  const Tensors inputs = {{"candidates", candidates.to(device)},
                          {"truths", random_boxes(truths, kImage.width, kImage.height).to(device)}};
  return {.inputs = inputs,
          .earlier = {},
          .call = [inputs, ignore = at::empty({0, 4}, at::device(device))]() -> Tensors {
            const auto found = ops::match_boxes(inputs.at("candidates"), inputs.at("truths"), ignore);
            return {{"truth", found.truth},
                    {"iou", found.iou},
                    {"best_of_truth", found.best_of_truth},
                    {"ignored", found.ignored}};
          }};
}

}  // namespace

std::vector<Case> match_cases() {
  std::vector<Case> cases;
  const at::Tensor candidates = anchors();
  for (const int64_t truths : {1, 10, 100, 1000}) {
    cases.push_back({c10::str("match_boxes/", candidates.size(0), "x", truths),
                     [=](at::Device device) { return match(candidates, truths, device); }});
  }
  return cases;
}

}  // namespace rcnn::bench
