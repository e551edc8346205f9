// Needs rcnn::rcnn_core alone: non-maximum suppression of boxes.
#include <cstdio>

#include <ATen/ATen.h>

#include <rcnn/ops/nms.h>

int main() {
  const auto boxes = at::tensor({0., 0., 10., 10., 1., 1., 11., 11., 20., 20., 30., 30.}).view({3, 4});
  const auto scores = at::tensor({0.9, 0.8, 0.7});
  const auto kept = rcnn::ops::nms(boxes.to(at::kFloat), scores.to(at::kFloat), 0.5);
  std::printf("%lld of 3 boxes kept\n", static_cast<long long>(kept.size(0)));
  return kept.size(0) == 2 ? 0 : 1;
}
