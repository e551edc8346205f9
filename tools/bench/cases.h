#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <torch/torch.h>

namespace rcnn::bench {

using Tensors = std::map<std::string, at::Tensor>;

/// One call of an operator on inputs that are ready.
struct Work {
  Tensors inputs;   ///< what the call reads
  Tensors earlier;  ///< what only a forward pass before it has read, where the call is the backward pass
  std::function<Tensors()> call;
};

struct Case {
  std::string name;
  /// Draws the inputs from torch's global generator of the CPU: the same ones on every device.
  std::function<Work(at::Device)> prepare;
};

std::vector<Case> deform_conv_cases();
std::vector<Case> nms_cases();
std::vector<Case> roi_cases();
std::vector<Case> match_cases();

/// float32 [count, 4] with corners all over an image and sides up to 0.3 of its own: few pairs overlap much.
inline at::Tensor random_boxes(int64_t count, double width, double height) {
  const at::Tensor image = at::tensor({width, height}, at::kFloat);
  const at::Tensor corner = at::rand({count, 2}) * (0.9 * image);
  return at::cat({corner, corner + at::rand({count, 2}) * (0.3 * image) + 4}, 1);
}

}  // namespace rcnn::bench
