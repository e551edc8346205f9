#include <c10/util/StringUtil.h>

#include <rcnn/ops/nms.h>

#include "cases.h"

namespace rcnn::bench {
namespace {

constexpr double kIouThreshold = 0.7;
constexpr int64_t kClasses = 80;

/// Scores that differ, so that the order of equal ones is nobody's concern.
Tensors boxes_and_scores(int64_t count) {
  return {{"boxes", random_boxes(count, 1000, 600)},
          {"scores", at::randperm(count, at::kFloat) / static_cast<double>(count)}};
}

Tensors to(at::Device device, Tensors tensors) {
  for (auto& [name, tensor] : tensors) tensor = tensor.to(device);
  return tensors;
}

Work nms(int64_t count, at::Device device) {
  const Tensors inputs = to(device, boxes_and_scores(count));
  return {.inputs = inputs, .earlier = {}, .call = [inputs]() -> Tensors {
            return {{"kept", ops::nms(inputs.at("boxes"), inputs.at("scores"), kIouThreshold)}};
          }};
}

Work batched_nms(int64_t count, at::Device device) {
  Tensors inputs = boxes_and_scores(count);
  inputs["groups"] = at::randint(kClasses, {count}, at::kLong);
  inputs = to(device, inputs);
  return {.inputs = inputs, .earlier = {}, .call = [inputs]() -> Tensors {
            return {{"kept", ops::batched_nms(inputs.at("boxes"), inputs.at("scores"), inputs.at("groups"),
                                              kIouThreshold)}};
          }};
}

}  // namespace

std::vector<Case> nms_cases() {
  std::vector<Case> cases;
  for (const int64_t count : {1000, 2000, 4741, 6000, 12000, 20000}) {
    cases.push_back({c10::str("nms/", count), [count](at::Device device) { return nms(count, device); }});
  }
  const int64_t count = 12000;
  cases.push_back({c10::str("batched_nms/", count, "/groups:", kClasses),
                   [](at::Device device) { return batched_nms(count, device); }});
  return cases;
}

}  // namespace rcnn::bench
