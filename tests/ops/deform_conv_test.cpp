#include <limits>
#include <map>

#include <ATen/autocast_mode.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/record_function.h>

#include <rcnn/ops/deform_conv.h>

#include "tests/support/deterministic.h"
#include "tests/support/devices.h"
#include "tests/support/goldens.h"
#include "tests/support/naive_ops.h"
#include "tests/support/tensors.h"

namespace rcnn::ops {
namespace {

using namespace rcnn::test;

constexpr double kDeformNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kDeformInf = std::numeric_limits<double>::infinity();

/// What an operator takes and gives gradients of; the bias may be undefined.
struct DeformOperands {
  at::Tensor input, offset, weight, bias;
};

struct DeformVariant {
  DeformConvOptions options;
  std::array<int64_t, 2> kernel;
  int64_t channels, out_channels, offset_groups;
  bool bias;

  at::IntArrayRef output_of(const at::Tensor& input) {
    for (int axis = 0; axis < 2; ++axis) {
      out_[axis] = (input.size(2 + axis) + 2 * options.padding[axis] -
                    options.dilation[axis] * (kernel[axis] - 1) - 1) /
                       options.stride[axis] +
                   1;
    }
    return out_;
  }

  std::array<int64_t, 2> out_ = {};
};

/// DetectoRS' own and others.
std::vector<DeformVariant> deform_variants() {
  return {
      {{.padding = {1, 1}}, {3, 3}, 5, 6, 1, true},
      {{.stride = {2, 2}, .padding = {3, 3}, .dilation = {3, 3}}, {3, 3}, 16, 4, 1, false},
      {{.padding = {1, 1}, .groups = 2}, {3, 3}, 8, 4, 4, true},
      {{.stride = {1, 3}, .padding = {0, 4}, .dilation = {2, 1}, .groups = 4}, {2, 5}, 12, 4, 3, true},
      {{}, {1, 1}, 37, 3, 1, false},
  };
}

/// float64, with offsets all over the map and beyond it.
DeformOperands random_operands(DeformVariant variant, double reach = 3, int64_t images = 2,
                               std::array<int64_t, 2> size = {6, 7}) {
  const at::Tensor input = at::randn({images, variant.channels, size[0], size[1]}, at::kDouble);
  const at::IntArrayRef out = variant.output_of(input);
  const int64_t taps = variant.kernel[0] * variant.kernel[1];
  return {
      .input = input,
      .offset =
          (at::rand({images, 2 * variant.offset_groups * taps, out[0], out[1]}, at::kDouble) * 2 - 1) * reach,
      .weight = at::randn({variant.out_channels, variant.channels / variant.options.groups, variant.kernel[0],
                           variant.kernel[1]},
                          at::kDouble),
      .bias = variant.bias ? at::randn({variant.out_channels}, at::kDouble) : at::Tensor()};
}

at::Tensor naive(const DeformOperands& operands, const DeformConvOptions& options) {
  return naive_deform_conv(operands.input, operands.offset, operands.weight, operands.bias,
                           {.stride = options.stride,
                            .padding = options.padding,
                            .dilation = options.dilation,
                            .groups = options.groups});
}

DeformOperands map_operands(const DeformOperands& operands,
                            const std::function<at::Tensor(const at::Tensor&)>& f) {
  return {f(operands.input), f(operands.offset), f(operands.weight),
          operands.bias.defined() ? f(operands.bias) : at::Tensor()};
}

at::Tensor called(const DeformOperands& operands, const DeformConvOptions& options = {}) {
  return deform_conv(operands.input, operands.offset, operands.weight, operands.bias, options);
}

class DeformConvTest : public OnDevice {
 protected:
  static DeformOperands moved(const DeformOperands& operands) {
    return map_operands(operands, [](const at::Tensor& tensor) { return on_device(tensor); });
  }

  /// On the test's device, the answer back on the CPU.
  static at::Tensor convolved(const DeformOperands& operands, const DeformConvOptions& options = {}) {
    const at::Tensor result = called(moved(operands), options);
    EXPECT_EQ(result.device().type(), device().type());
    return result.cpu();
  }

  /// Of sum(output * weight); on the CPU.
  static DeformOperands gradients(const DeformOperands& operands, const DeformConvOptions& options,
                                  const at::Tensor& weight) {
    const DeformOperands leaves = map_operands(
        moved(operands), [](const at::Tensor& tensor) { return tensor.detach().requires_grad_(); });
    called(leaves, options).backward(on_device(weight));
    return map_operands(leaves, [](const at::Tensor& tensor) { return tensor.grad().cpu(); });
  }
};
INSTANTIATE_TEST_SUITE_P(, DeformConvTest, devices(), device_name);

/// tests/oracle/make_deform_conv.py's.
at::Tensor formula(at::IntArrayRef sizes, int64_t stream) {
  const at::Tensor i = at::arange(c10::multiply_integers(sizes), at::kLong);
  return ((31 * i * i + 7919 * i + 104729 * stream) % 20014 - 10007).to(at::kDouble).div(10007).view(sizes);
}

void expect_summary(const at::Tensor& tensor, const nlohmann::json& expected, const std::string& what) {
  const at::Tensor flat = tensor.contiguous().flatten();
  const double norm = flat.norm().item<double>(),
               product = flat.dot((0.3 * at::arange(flat.numel(), at::kDouble)).cos()).item<double>();
  const double tolerance = 1e-12 * std::max(1.0, norm);  // sums of hundreds of float64 products
  EXPECT_NEAR(norm, expected.at(0).get<double>(), tolerance) << what;
  EXPECT_NEAR(product, expected.at(1).get<double>(), 10 * tolerance) << what;
}

TEST_P(DeformConvTest, AgreesWithTorchvision) {
  const auto json = golden("deform_conv.json");
  for (const auto& [name, c] : json.at("cases").items()) {
    SCOPED_TRACE(name);
    const auto pair = [&](const char* key) { return c.at(key).get<std::array<int64_t, 2>>(); };
    const DeformConvOptions options{.stride = pair("stride"),
                                    .padding = pair("padding"),
                                    .dilation = pair("dilation"),
                                    .groups = c.at("groups")};
    const auto channels = pair("channels"), size = pair("size"), kernel = pair("kernel");
    const auto shape = c.at("shape").get<std::vector<int64_t>>();
    const double reach = c.at("reach"), step = c.at("step");
    const int64_t offset_groups = c.at("offset_groups");
    at::Tensor offset =
        reach * formula({2, 2 * offset_groups * kernel[0] * kernel[1], shape[2], shape[3]}, 2);
    if (step > 0) offset = (offset / step).round() * step;
    const DeformOperands operands{
        .input = formula({2, channels[0], size[0], size[1]}, 1),
        .offset = offset,
        .weight = formula({channels[1], channels[0] / options.groups, kernel[0], kernel[1]}, 3),
        .bias = c.at("bias").get<bool>() ? formula({channels[1]}, 4) : at::Tensor()};
    const at::Tensor output = convolved(operands, options);
    ASSERT_EQ(output.sizes(), at::IntArrayRef(shape));
    expect_summary(output, c.at("output"), "output");
    const DeformOperands found = gradients(operands, options, formula(shape, 5));
    const auto& expected = c.at("gradients");
    expect_summary(found.input, expected.at("input"), "input");
    expect_summary(found.offset, expected.at("offset"), "offset");
    expect_summary(found.weight, expected.at("weight"), "weight");
    if (operands.bias.defined()) expect_summary(found.bias, expected.at("bias"), "bias");
  }
}

TEST_P(DeformConvTest, AgreesWithTheDefinition) {
  for (const int seed : {1, 2, 3}) {
    torch::manual_seed(seed);
    for (const DeformVariant& variant : deform_variants()) {
      for (const double reach : {1.0, 4.0, 20.0}) {
        SCOPED_TRACE(testing::Message()
                     << "seed " << seed << ", channels " << variant.channels << ", reach " << reach);
        const DeformOperands operands = random_operands(variant, reach);
        const at::Tensor expected = naive(operands, variant.options);
        EXPECT_TRUE(close(convolved(operands, variant.options), expected, 1e-12, 1e-12));
        const DeformOperands single =
            map_operands(operands, [](const at::Tensor& tensor) { return tensor.to(at::kFloat); });
        // Sample positions rounded to float, times slopes of about 3 a cell and a hundred weights.
        EXPECT_TRUE(close(convolved(single, variant.options), expected.to(at::kFloat), 2e-4, 1e-4));
      }
    }
  }
}

TEST_P(DeformConvTest, OffsetsOfZeroGiveTheConvolution) {
  torch::manual_seed(4);
  for (const DeformVariant& variant : deform_variants()) {
    const DeformOperands operands = random_operands(variant, 0);
    const DeformConvOptions& o = variant.options;
    const at::Tensor expected =
        at::conv2d(operands.input, operands.weight, operands.bias, o.stride, o.padding, o.dilation, o.groups);
    EXPECT_TRUE(close(convolved(operands, o), expected, 1e-12, 1e-12));
  }
}

// One offset for all taps at all positions moves the map, zeros following.
TEST_P(DeformConvTest, WholeOffsetsShiftTheMap) {
  torch::manual_seed(5);
  for (const DeformVariant& variant : deform_variants()) {
    DeformOperands operands = random_operands(variant);
    const DeformConvOptions& o = variant.options;
    for (const auto& [dy, dx] : {std::pair{1, 0}, {0, -2}, {-1, 3}, {6, 0}}) {
      const at::Tensor pairs =
          operands.offset.view({2, -1, 2, operands.offset.size(2), operands.offset.size(3)});
      pairs.select(2, 0).fill_(dy), pairs.select(2, 1).fill_(dx);
      constexpr int64_t kBorder = 12;
      const int64_t height = operands.input.size(2), width = operands.input.size(3);
      const at::Tensor wide = at::constant_pad_nd(operands.input, {kBorder, kBorder, kBorder, kBorder});
      const at::Tensor shifted =
          wide.slice(2, kBorder + dy - o.padding[0], kBorder + dy + height + o.padding[0])
              .slice(3, kBorder + dx - o.padding[1], kBorder + dx + width + o.padding[1]);
      const at::Tensor expected = at::conv2d(shifted, operands.weight, operands.bias, o.stride,
                                             at::IntArrayRef{0, 0}, o.dilation, o.groups);
      EXPECT_TRUE(close(convolved(operands, o), expected, 1e-12, 1e-12)) << dy << ", " << dx;
    }
  }
}

TEST_P(DeformConvTest, GradientsAreTheNumericOnes) {
  for (const int seed : {1, 2}) {
    torch::manual_seed(seed);
    for (const DeformVariant& variant : deform_variants()) {
      if (variant.channels > 12) continue;  // the same code, and a thousand numbers to vary
      SCOPED_TRACE(testing::Message() << "seed " << seed << ", channels " << variant.channels);
      DeformOperands operands = random_operands(variant, 2, 1, {4, 3});
      // No position as close to a kink as the step.
      operands.offset = (operands.offset * 50).floor() / 50 + 0.01;
      const at::Tensor weight = at::randn_like(convolved(operands, variant.options));
      const DeformOperands found = gradients(operands, variant.options, weight);
      const auto numeric = [&](at::Tensor DeformOperands::*operand) {
        return numeric_gradient(
            [&](const at::Tensor& x) {
              DeformOperands changed = operands;
              changed.*operand = x;
              return convolved(changed, variant.options);
            },
            operands.*operand, weight, 1e-4);
      };
      // Differences of sums of thousands, divided by the step.
      EXPECT_TRUE(close(found.input, numeric(&DeformOperands::input), 1e-7));
      EXPECT_TRUE(close(found.offset, numeric(&DeformOperands::offset), 1e-7));
      EXPECT_TRUE(close(found.weight, numeric(&DeformOperands::weight), 1e-7));
      if (variant.bias) {
        EXPECT_TRUE(close(found.bias, numeric(&DeformOperands::bias), 1e-7));
      }
    }
  }
}

TEST_P(DeformConvTest, AllMemoryFormatsAgreeAndAreKept) {
  torch::manual_seed(6);
  const auto check = [](const DeformOperands& found, const DeformOperands& expected) {
    EXPECT_TRUE(close(found.input, expected.input, 1e-12));  // atomics add in any order
    EXPECT_TRUE(identical(found.offset, expected.offset));
    EXPECT_TRUE(identical(found.weight, expected.weight));
  };
  for (const DeformVariant& variant : deform_variants()) {
    const DeformOperands operands = random_operands(variant);
    const at::Tensor output = convolved(operands, variant.options), weight = at::randn_like(output);
    EXPECT_TRUE(output.is_contiguous());
    const DeformOperands expected = gradients(operands, variant.options, weight);
    EXPECT_TRUE(expected.input.is_contiguous());

    DeformOperands last = operands;
    for (at::Tensor* tensor : {&last.input, &last.offset, &last.weight})
      *tensor = tensor->contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor same = convolved(last, variant.options);
    EXPECT_TRUE(same.is_contiguous(at::MemoryFormat::ChannelsLast));
    EXPECT_TRUE(identical(same, output));
    const DeformOperands found =
        gradients(last, variant.options, weight.contiguous(at::MemoryFormat::ChannelsLast));
    for (const at::Tensor& gradient : {found.input, found.offset, found.weight})
      EXPECT_TRUE(gradient.is_contiguous(at::MemoryFormat::ChannelsLast));
    check(found, expected);

    DeformOperands strided = operands;
    for (at::Tensor* tensor : {&strided.input, &strided.offset, &strided.weight}) {
      const at::Tensor turned = tensor->transpose(1, 3).contiguous().transpose(1, 3);
      *tensor = at::stack({turned, turned}, 4).select(4, 1);
    }
    EXPECT_TRUE(identical(convolved(strided, variant.options), output));
    check(gradients(strided, variant.options,
                    weight.flip(0).flip(0).transpose(2, 3).contiguous().transpose(2, 3)),
          expected);
    // Of a sum: one number that stands for all.
    check(gradients(operands, variant.options, at::ones({}, at::kDouble).expand_as(output)),
          gradients(operands, variant.options, at::ones_like(output)));
  }
}

TEST_P(DeformConvTest, Bfloat16RoundsOnlyResults) {
  torch::manual_seed(7);
  const DeformVariant variant = deform_variants()[0];
  const DeformOperands half = map_operands(random_operands(variant),
                                           [](const at::Tensor& tensor) { return tensor.to(at::kBFloat16); });
  const DeformOperands single =
      map_operands(half, [](const at::Tensor& tensor) { return tensor.to(at::kFloat); });
  const at::Tensor expected = convolved(single, variant.options).to(at::kBFloat16);
  EXPECT_TRUE(identical(convolved(half, variant.options), expected));
  const at::Tensor weight = at::randn_like(expected);
  const DeformOperands found = gradients(half, variant.options, weight),
                       exact = gradients(single, variant.options, weight.to(at::kFloat));
  const auto check = [&](const at::Tensor& gradient, const at::Tensor& of_single) {
    EXPECT_TRUE(
        close(gradient, of_single.to(at::kBFloat16), 1e-6, 1e-2));  // atomics may change what is rounded
  };
  check(found.input, exact.input), check(found.offset, exact.offset);
  check(found.weight, exact.weight), check(found.bias, exact.bias);

  // As autocast has it: float32 parameters, and maybe offsets.
  DeformOperands mixed = single;
  mixed.input = half.input;
  EXPECT_TRUE(identical(convolved(mixed, variant.options), expected));
  const DeformOperands of_mixed = gradients(mixed, variant.options, weight);
  EXPECT_EQ(of_mixed.input.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(identical(of_mixed.weight, exact.weight));
  EXPECT_TRUE(identical(of_mixed.offset, exact.offset));
}

// All taps read about one cell: in any other order than the first the last bits would differ.
TEST_P(DeformConvTest, GradientHasTheSameBitsWhereThatIsAskedFor) {
  torch::manual_seed(8);
  const DeformConvOptions options{.padding = {1, 1}};
  DeformOperands operands{.input = at::randn({2, 9, 12, 12}),
                          .offset = at::randn({2, 18, 12, 12}),
                          .weight = at::randn({5, 9, 3, 3}),
                          .bias = {}};
  operands.offset.view({2, 9, 2, 12, 12}).select(2, 0) += 6 - at::arange(12).view({12, 1});
  const at::Tensor weight = at::randn({2, 5, 12, 12});
  const at::Tensor usual = gradients(operands, options, weight).input;
  const DeterministicAlgorithms asked;
  const at::Tensor first = gradients(operands, options, weight).input;
  EXPECT_TRUE(close(first, usual, 1e-3));  // sums of hundreds of terms around 10 in another order
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(identical(gradients(operands, options, weight).input, first));
  EXPECT_FALSE(
      gradients(operands, options, at::full_like(weight, kDeformInf)).input.isfinite().all().item<bool>());
}

/// A map of one channel, a 1 x 1 kernel of 1, and an offset for each of its cells.
DeformOperands single_tap(const at::Tensor& map, const at::Tensor& dy, const at::Tensor& dx) {
  return {.input = map.view({1, 1, map.size(0), map.size(1)}),
          .offset = at::stack({dy, dx}).unsqueeze(0),
          .weight = at::ones({1, 1, 1, 1}, at::kDouble),
          .bias = {}};
}

TEST_P(DeformConvTest, ASampleFadesToZeroWithinACellOfTheMap) {
  const at::Tensor map = torch::tensor({{2.0, 3.0}, {5.0, 7.0}}, at::kDouble);
  const auto at_cell = [&](double y, double x) {  // by the offset of output (0, 0)
    const at::Tensor dy = at::zeros({2, 2}, at::kDouble), dx = at::zeros({2, 2}, at::kDouble);
    dy[0][0] = y, dx[0][0] = x;
    return convolved(single_tap(map, dy, dx))[0][0][0][0].item<double>();
  };
  EXPECT_EQ(at_cell(0, 0), 2);
  EXPECT_EQ(at_cell(0.5, 0.5), 4.25);
  EXPECT_EQ(at_cell(-0.5, 0), 1);
  EXPECT_EQ(at_cell(-0.5, -0.5), 0.5);
  EXPECT_EQ(at_cell(1.25, 1), 5.25);
  EXPECT_EQ(at_cell(1, 1.75), 1.75);
  for (const double outside : {-1.0, 2.0, -1.5, 2.5, 1e9, -1e9, 1e300, -1e300, kDeformInf, -kDeformInf}) {
    EXPECT_EQ(at_cell(outside, 0), 0) << outside;
    EXPECT_EQ(at_cell(0, outside), 0) << outside;
    EXPECT_EQ(at_cell(outside, outside), 0) << outside;
  }
  EXPECT_NEAR(at_cell(std::nextafter(-1.0, 0.0), 0), 0, 1e-15);
  EXPECT_NEAR(at_cell(std::nextafter(2.0, 0.0), 0), 0, 1e-14);
}

TEST_P(DeformConvTest, ANanOffsetShowsWhereItIsReadAndNowhereElse) {
  torch::manual_seed(9);
  const DeformVariant variant = deform_variants()[2];
  DeformOperands operands = random_operands(variant);
  const at::Tensor expected = naive(operands, variant.options), weight = at::ones_like(expected);
  const at::Tensor of_input = gradients(operands, variant.options, weight).input;
  operands.offset[1][20][3][4] = kDeformNan;  // the second offset group's, of channels 2 and 3, of group 0
  const at::Tensor output = convolved(operands, variant.options);
  at::Tensor nan = at::zeros_like(expected, at::kBool);
  nan[1].slice(0, 0, 2).select(1, 3).select(1, 4).fill_(true);
  EXPECT_TRUE(at::equal(output.isnan(), nan));
  EXPECT_TRUE(close(output.nan_to_num(0), expected.masked_fill(nan, 0), 1e-12));
  const DeformOperands found = gradients(operands, variant.options, weight);
  EXPECT_TRUE(found.input.isfinite().all().item<bool>());
  EXPECT_TRUE(close(found.input[0], of_input[0], 1e-12));
  EXPECT_TRUE(found.offset[1][21][3][4].isnan().item<bool>());
  EXPECT_EQ(found.offset.isnan().sum().item<int64_t>(), 1);
  EXPECT_TRUE(found.weight.isnan().any().item<bool>());
  EXPECT_FALSE(found.weight.slice(0, 2).isnan().any().item<bool>());
}

TEST_P(DeformConvTest, ANanInTheMapShows) {
  const at::Tensor none = at::zeros({3, 3}, at::kDouble), map = at::ones({3, 3}, at::kDouble);
  map[1][1] = kDeformNan;
  const at::Tensor output = convolved(single_tap(map, none, none))[0][0];
  EXPECT_TRUE(output[1][1].isnan().item<bool>());
  EXPECT_EQ(output[2][2].item<double>(), 1);
}

TEST_P(DeformConvTest, OfNothing) {
  const auto shape_of = [&](at::IntArrayRef input, at::IntArrayRef offset, at::IntArrayRef weight,
                            int64_t padding) {
    const DeformOperands operands{.input = at::ones(input),
                                  .offset = at::zeros(offset),
                                  .weight = at::ones(weight),
                                  .bias = at::full({weight[0]}, 3.0)};
    const DeformConvOptions options{.padding = {padding, padding}};
    const at::Tensor output = convolved(operands, options);
    EXPECT_TRUE(identical(output, at::full_like(output, 3)));
    const DeformOperands found = gradients(operands, options, at::ones_like(output));
    EXPECT_TRUE(identical(found.input, at::zeros_like(operands.input)));
    EXPECT_TRUE(identical(found.offset, at::zeros_like(operands.offset)));
    EXPECT_TRUE(identical(found.weight, at::zeros_like(operands.weight)));
    EXPECT_TRUE(identical(found.bias,
                          at::full_like(operands.bias, output.numel() / std::max<int64_t>(weight[0], 1))));
    return output.sizes().vec();
  };
  using Sizes = std::vector<int64_t>;
  EXPECT_EQ(shape_of({0, 4, 5, 6}, {0, 18, 5, 6}, {2, 4, 3, 3}, 1), Sizes({0, 2, 5, 6}));  // no images
  EXPECT_EQ(shape_of({2, 0, 5, 6}, {2, 18, 5, 6}, {2, 0, 3, 3}, 1), Sizes({2, 2, 5, 6}));  // no channels
  EXPECT_EQ(shape_of({2, 4, 5, 6}, {2, 18, 5, 6}, {0, 4, 3, 3}, 1), Sizes({2, 0, 5, 6}));  // no outputs
  EXPECT_EQ(shape_of({2, 4, 0, 1}, {2, 18, 2, 3}, {2, 4, 3, 3}, 2), Sizes({2, 2, 2, 3}));  // no cells
}

TEST_P(DeformConvTest, GivesGradientsOfWhatLearnsAlone) {
  torch::manual_seed(10);
  const DeformVariant variant = deform_variants()[0];
  const DeformOperands operands = moved(random_operands(variant));
  const at::Tensor weight = at::randn({2, 6, 6, 7}, at::kDouble);
  const DeformOperands expected = gradients(operands, variant.options, weight);
  for (at::Tensor DeformOperands::*learning :
       {&DeformOperands::input, &DeformOperands::offset, &DeformOperands::weight, &DeformOperands::bias}) {
    DeformOperands leaves = map_operands(operands, [](const at::Tensor& tensor) { return tensor.detach(); });
    (leaves.*learning).requires_grad_();
    called(leaves, variant.options).backward(on_device(weight));
    EXPECT_TRUE(
        close((leaves.*learning).grad().cpu(), expected.*learning, 1e-12));  // atomics add in any order
    EXPECT_EQ(leaves.input.grad().defined() + leaves.offset.grad().defined() +
                  leaves.weight.grad().defined() + leaves.bias.grad().defined(),
              1);
  }
  EXPECT_FALSE(called(operands, variant.options).requires_grad());
}

TEST_P(DeformConvTest, AutocastChangesNothingAndInferenceModeNeither) {
  torch::manual_seed(11);
  const DeformVariant variant = deform_variants()[1];
  const DeformOperands operands =
      map_operands(random_operands(variant), [](const at::Tensor& tensor) { return tensor.to(at::kFloat); });
  const at::Tensor expected = convolved(operands, variant.options);
  at::autocast::set_autocast_enabled(GetParam(), true);
  const at::Tensor found = convolved(operands, variant.options);
  at::autocast::set_autocast_enabled(GetParam(), false);
  EXPECT_TRUE(identical(found, expected));
  const c10::InferenceMode inference;
  EXPECT_TRUE(identical(convolved(operands, variant.options), expected));
}

// What profilers and counters see is one operator and nothing of how it is made.
TEST_P(DeformConvTest, IsKnownToTheDispatcher) {
  torch::manual_seed(12);
  const DeformVariant variant = deform_variants()[3];
  const DeformOperands operands = moved(random_operands(variant));
  static std::map<std::string, int> calls;
  calls.clear();
  const auto handle =
      at::addGlobalCallback(at::RecordFunctionCallback([](const at::RecordFunction& function)
                                                           -> std::unique_ptr<at::ObserverContext> {
                              ++calls[function.name()];
                              return nullptr;
                            }).scopes({at::RecordScope::FUNCTION}));
  const at::Tensor output = called(operands, variant.options);
  at::removeCallback(handle);
  EXPECT_EQ(calls["rcnn::deform_conv"], 1);
  for (const char* part : {"aten::mm", "aten::addmm", "aten::bmm"}) EXPECT_EQ(calls[part], 0) << part;

  torch::jit::Stack stack = {operands.input, operands.offset, operands.weight, operands.bias};
  for (const auto& pair : {variant.options.stride, variant.options.padding, variant.options.dilation})
    stack.emplace_back(at::IntArrayRef(pair));
  stack.emplace_back(variant.options.groups);
  c10::Dispatcher::singleton().findSchemaOrThrow("rcnn::deform_conv", "").callBoxed(stack);
  ASSERT_EQ(stack.size(), 1);
  EXPECT_TRUE(identical(stack[0].toTensor(), output));
}

// Enough positions for several pieces and channels for several parts of a product, whose sums for the weights
// are long.
TEST(DeformConvThreads, DoNotChangeTheResult) {
  torch::manual_seed(13);
  const DeformOperands operands{.input = at::randn({2, 128, 50, 50}),
                                .offset = at::randn({2, 18, 50, 50}) * 2,
                                .weight = at::randn({128, 128, 3, 3}),
                                .bias = at::randn({128})};
  const at::Tensor weight = at::randn({2, 128, 50, 50});
  const auto run = [&](int threads) {
    at::set_num_threads(threads);
    const DeformOperands leaves =
        map_operands(operands, [](const at::Tensor& tensor) { return tensor.detach().requires_grad_(); });
    const at::Tensor output = called(leaves, {.padding = {1, 1}});
    output.backward(weight);
    return std::vector{output.detach(), leaves.input.grad(), leaves.offset.grad(), leaves.weight.grad(),
                       leaves.bias.grad()};
  };
  const auto one = run(1);
  for (const int threads : {2, 3}) {
    const auto several = run(threads);
    for (size_t i = 0; i < one.size(); ++i)
      EXPECT_TRUE(at::equal(several[i], one[i])) << threads << ", " << i;
  }
  at::set_num_threads(2);
}

TEST(DeformConvAutograd, RefusesASecondDerivative) {
  torch::manual_seed(14);
  const DeformVariant variant = deform_variants()[0];
  const DeformOperands operands = map_operands(
      random_operands(variant), [](const at::Tensor& tensor) { return tensor.detach().requires_grad_(); });
  const at::Tensor output = called(operands, variant.options);
  const at::Tensor weight = at::ones_like(output).requires_grad_();
  const auto first = torch::autograd::grad({output}, {operands.input}, {weight}, true, /*create_graph=*/true);
  EXPECT_EQ(error_of([&] { first[0].sum().backward(); }), "deform_conv: double backward is not supported");

  // A penalty on a gradient: in the weight, whose gradient would lack a term.
  const at::Tensor again = called(operands, variant.options);
  const auto gradient =
      torch::autograd::grad({again.sum()}, {operands.input}, {}, true, /*create_graph=*/true);
  EXPECT_EQ(error_of([&] { gradient[0].square().sum().backward(); }),
            "deform_conv: double backward is not supported");
}

TEST(DeformConvErrors, NameTheArgument) {
  const at::Tensor input = at::zeros({2, 4, 5, 6}), offset = at::zeros({2, 18, 5, 6}),
                   weight = at::zeros({6, 4, 3, 3}), bias = at::zeros({6});
  const DeformConvOptions same{.padding = {1, 1}};
  const auto message = [](const at::Tensor& input, const at::Tensor& offset, const at::Tensor& weight,
                          const at::Tensor& bias, const DeformConvOptions& options) {
    return error_of([&] { deform_conv(input, offset, weight, bias, options); });
  };
  const auto with = [&](auto change) {
    DeformConvOptions options = same;
    change(options);
    return message(input, offset, weight, bias, options);
  };
  EXPECT_EQ(message(input, offset, weight, bias, same), "");
  EXPECT_EQ(message(input[0], offset, weight, bias, same),
            "deform_conv: input: expected [N, C, H, W], got [4, 5, 6]");
  EXPECT_EQ(message(input.to(at::kHalf), offset, weight, bias, same),
            "deform_conv: input: expected float32, float64 or bfloat16, got Half");
  EXPECT_EQ(message(input, offset.slice(1, 0, 17), weight, bias, same),
            "deform_conv: offset: expected [2, 18 * G, 5, 6], got [2, 17, 5, 6]");
  EXPECT_EQ(message(input, offset.slice(1, 0, 0), weight, bias, same),
            "deform_conv: offset: expected [2, 18 * G, 5, 6], got [2, 0, 5, 6]");
  EXPECT_EQ(message(input, offset, weight, bias, {}),
            "deform_conv: offset: expected [2, 18 * G, 3, 4], got [2, 18, 5, 6]");
  EXPECT_EQ(message(input, offset.repeat({1, 3, 1, 1}), weight, bias, same),
            "deform_conv: offset: expected groups that divide 4 channels, got 3 of 18 numbers");
  EXPECT_EQ(message(input, offset.to(at::kDouble), weight, bias, same),
            "deform_conv: offset: expected float32 or the input's Float, got Double");
  EXPECT_EQ(message(input, offset, weight.slice(1, 0, 3), bias, same),
            "deform_conv: weight: expected [O, 4, kh, kw], got [6, 3, 3, 3]");
  EXPECT_EQ(message(input, offset, weight[0], bias, same),
            "deform_conv: weight: expected [O, 4, kh, kw], got [4, 3, 3]");
  EXPECT_EQ(message(input, offset, weight.to(at::kMeta), bias, same),
            "deform_conv: weight: expected the input's device cpu, got meta");
  EXPECT_EQ(message(input, offset, weight, at::zeros({5}), same), "deform_conv: bias: expected [6], got [5]");
  EXPECT_EQ(message(input, offset, weight, bias.to(at::kDouble), same),
            "deform_conv: bias: expected float32 or the input's Float, got Double");
  EXPECT_EQ(with([](auto& o) {
              o.stride = {1, 0};
            }),
            "deform_conv: options.stride: expected two numbers of 1 or more, got [1, 0]");
  EXPECT_EQ(with([](auto& o) {
              o.padding = {-1, 1};
            }),
            "deform_conv: options.padding: expected two numbers of 0 or more, got [-1, 1]");
  EXPECT_EQ(with([](auto& o) {
              o.dilation = {0, 1};
            }),
            "deform_conv: options.dilation: expected two numbers of 1 or more, got [0, 1]");
  EXPECT_EQ(with([](auto& o) { o.groups = 3; }),
            "deform_conv: options.groups: expected a divisor of 4 channels, got 3");
  EXPECT_EQ(with([](auto& o) { o.groups = 0; }),
            "deform_conv: options.groups: expected a divisor of 4 channels, got 0");
  DeformConvOptions halves = same;
  halves.groups = 2;
  EXPECT_EQ(message(input, offset, at::zeros({5, 2, 3, 3}), {}, halves),
            "deform_conv: weight: expected a multiple of 2 groups as output channels, got [5, 2, 3, 3]");
  EXPECT_EQ(with([](auto& o) {
              o.padding = {0, 0}, o.dilation = {3, 1};
            }),
            "deform_conv: input: expected a height of 7 or more for this kernel, padding and dilation, got "
            "[2, 4, 5, 6]");
  EXPECT_EQ(
      message(input.to(at::kMeta), offset.to(at::kMeta), weight.to(at::kMeta), bias.to(at::kMeta), same),
      "deform_conv: no implementation for device meta");
}

}  // namespace
}  // namespace rcnn::ops
