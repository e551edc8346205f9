#include <c10/util/StringUtil.h>

#include <rcnn/ops/deform_conv.h>

#include "cases.h"

namespace rcnn::bench {
namespace {

/// A 3x3 convolution of a ResNet's stage on an image of 800 x 1344, its output as large as its input.
struct Stage {
  const char* name;
  int64_t channels, height, width;
};

enum class ConvPass { forward, backward, both };

Work work_of(const Stage& stage, int64_t dilation, at::Device device, at::ScalarType type,
             at::MemoryFormat format, ConvPass pass) {
  const auto ready = [&](const at::Tensor& tensor) {
    return tensor.to(type).contiguous(format).to(device).requires_grad_(pass != ConvPass::forward);
  };
  // The weights' sum is of the order of 1, and offsets reach over a few cells.
  const at::Tensor input = ready(at::rand({1, stage.channels, stage.height, stage.width}));
  const at::Tensor offset = ready(at::rand({1, 18, stage.height, stage.width}) * 4 - 2);
  const at::Tensor weight =
      ready(at::rand({stage.channels, stage.channels, 3, 3}) / (4.5 * static_cast<double>(stage.channels)));
  const at::Tensor grad =
      at::rand({1, stage.channels, stage.height, stage.width}).to(type).contiguous(format).to(device);
  const auto forward = [=] {
    return ops::deform_conv(input, offset, weight, {},
                            {.padding = {dilation, dilation}, .dilation = {dilation, dilation}});
  };
  const auto backward = [=](const at::Tensor& output) {
    const auto found =
        torch::autograd::grad({output}, {input, offset, weight}, {grad}, /*retain_graph=*/true);
    return Tensors{{"of_input", found[0]}, {"of_offset", found[1]}, {"of_weight", found[2]}};
  };
  Tensors inputs = {{"input", input}, {"offset", offset}, {"weight", weight}};
  if (pass != ConvPass::forward) inputs["grad"] = grad;
  switch (pass) {
    case ConvPass::forward:
      return {.inputs = inputs, .earlier = {}, .call = [forward]() -> Tensors {
                return {{"output", forward()}};
              }};
    case ConvPass::backward:
      return {.inputs = inputs, .earlier = {}, .call = [backward, output = forward()] {
                return backward(output);
              }};
    case ConvPass::both:
      break;
  }
  return {.inputs = inputs, .earlier = {}, .call = [forward, backward] {
            const at::Tensor output = forward();
            Tensors results = backward(output);
            results["output"] = output;
            return results;
          }};
}

}  // namespace

std::vector<Case> deform_conv_cases() {
  std::vector<Case> cases;
  for (const Stage& stage : {Stage{"c3", 128, 100, 168}, {"c4", 256, 50, 84}, {"c5", 512, 25, 42}}) {
    for (const int64_t dilation : {1, 3}) {
      for (const auto& [type_name, type] : {std::pair{"float32", at::kFloat}, {"bfloat16", at::kBFloat16}}) {
        for (const auto& [format_name, format] : {std::pair{"contiguous", at::MemoryFormat::Contiguous},
                                                  {"channels_last", at::MemoryFormat::ChannelsLast}}) {
          for (const auto& [pass_name, pass] : {std::pair{"forward", ConvPass::forward},
                                                {"backward", ConvPass::backward},
                                                {"forward_backward", ConvPass::both}}) {
            cases.push_back({c10::str("deform_conv/", stage.name, "/dilation:", dilation, "/", type_name, "/",
                                      format_name, "/", pass_name),
                             [=, type = type, format = format, pass = pass](at::Device device) {
                               return work_of(stage, dilation, device, type, format, pass);
                             }});
          }
        }
      }
    }
  }
  return cases;
}

}  // namespace rcnn::bench
