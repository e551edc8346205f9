// The CUDA launchers against references written from the definition, on random inputs. Needs nvcc and nothing
// else:
//   rcnn_kernels_cuda_test [cases of each kind = 1000] [first seed = 0]
// Exits 77 where there is no device.

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <utility>
#include <vector>

#include <cuda_runtime.h>

#include "tests/ops/kernels/cases.h"
#include "tests/ops/kernels/checks.h"

namespace rcnn::ops::kernels {
namespace {

using namespace test;

cudaStream_t stream;

void check_success(int error) {
  check(error == cudaSuccess, cudaGetErrorString(static_cast<cudaError_t>(error)));
}

/// An array on the device, `shift` elements behind an aligned address and with nothing behind it, so that
/// compute-sanitizer sees an access past its end.
template <class T>
class OnDevice {
 public:
  /// Garbage.
  explicit OnDevice(size_t size, size_t shift = 0) : size_(size), shift_(shift) {
    if (size == 0) return;
    check_success(cudaMalloc(&memory_, (size + shift) * sizeof(T)));
    check_success(cudaMemsetAsync(memory_, 0x5b, (size + shift) * sizeof(T), stream));
  }
  /// A copy.
  explicit OnDevice(const std::vector<T>& values, size_t shift = 0) : OnDevice(values.size(), shift) {
    copy(data(), values.data(), cudaMemcpyHostToDevice);
  }
  OnDevice(OnDevice&& other) noexcept
      : size_(other.size_), shift_(other.shift_), memory_(std::exchange(other.memory_, nullptr)) {}
  ~OnDevice() { cudaFree(memory_); }

  T* data() { return memory_ ? static_cast<T*>(memory_) + shift_ : nullptr; }

  /// After everything on the stream.
  std::vector<T> read() {
    std::vector<T> values(size_);
    copy(values.data(), data(), cudaMemcpyDeviceToHost);
    return values;
  }

 private:
  void copy(T* to, const T* from, cudaMemcpyKind kind) const {
    if (size_ == 0) return;
    check_success(cudaMemcpyAsync(to, from, size_ * sizeof(T), kind, stream));
    check_success(cudaStreamSynchronize(stream));
  }

  size_t size_, shift_;
  void* memory_ = nullptr;
};

/// 1 now and then: where vectors must not be loaded.
size_t random_shift(Random& random) {
  return random.once_in(6);
}

// ---- boxes

template <class T>
void compare_nms(Random& random, const NmsCase<T>& one) {
  SortedBoxes<T> boxes = one.boxes;
  std::vector<int64_t> positions(boxes.images * one.max_kept), counts(boxes.images);
  reference::nms(boxes, one.iou_threshold, {positions.data(), counts.data(), one.max_kept});

  OnDevice<T> coordinates(one.coordinates);
  OnDevice<int64_t> groups(one.groups), valid(one.valid);
  OnDevice<int64_t> device_positions(positions.size()), device_counts(counts.size());
  // Room for all boxes, or for some of the tiles at a time.
  const int64_t all = boxes.images * (boxes.count + cuda::kNmsTile) * (boxes.count + 1);
  const auto shape =
      cuda::nms_mask(boxes.images, boxes.count, random.once_in(2) ? all : random.below(all / 64 + 1));
  OnDevice<uint64_t> mask(boxes.images * shape.words_of_image());
  boxes.coordinates = coordinates.data();
  if (boxes.groups) boxes.groups = groups.data();
  if (boxes.valid) boxes.valid = valid.data();
  const KeptBoxes kept{device_positions.data(), device_counts.data(), one.max_kept};
  check_success(cuda::nms(boxes, one.iou_threshold, kept, shape, mask.data(), stream));
  check_same_bits(device_counts.read(), counts, "counts");
  check_same_bits(device_positions.read(), positions, "positions");
}

template <class T>
void test_nms(Random& random) {
  const auto count = random.one_of<int64_t>({0, 1, 2, 63, 64, 65, 129, random.below(200), random.below(600)});
  compare_nms(random, NmsCase<T>(random, random_images(random), count, 20));
}

/// So many tiles that a warp has several words to look after.
void test_nms_of_many(Random& random) {
  const int64_t count = random.between(4000, 9000);
  compare_nms(random, NmsCase<float>(random, 2, count, random.one_of({100.0, 1000.0})));
}

void test_match_boxes(Random& random) {
  const MatchCase one(random);
  MatchInput input = one.input;
  std::vector<int64_t> truth(input.candidate_count);
  std::vector<float> iou(truth.size()), ignored(truth.size());
  std::vector<unsigned char> best(truth.size());
  reference::match_boxes(input,
                         {truth.data(), iou.data(), reinterpret_cast<bool*>(best.data()), ignored.data()});

  OnDevice<float> candidates(one.candidates), truths(one.truths), ignore(one.ignore);
  OnDevice<int64_t> device_truth(truth.size());
  OnDevice<float> device_iou(iou.size()), device_ignored(ignored.size());
  OnDevice<unsigned char> device_best(best.size());
  OnDevice<float> best_iou(std::vector<float>(input.truth_count, 0.0f));
  input.candidates = candidates.data(), input.truths = truths.data(), input.ignore = ignore.data();
  const MatchOutput output{device_truth.data(), device_iou.data(),
                           reinterpret_cast<bool*>(device_best.data()), device_ignored.data()};
  check_success(cuda::match_boxes(input, output, best_iou.data(), stream));
  check_success(cuda::mark_best(input, output, best_iou.data(), stream));
  check_same_bits(device_truth.read(), truth, "truth");
  check_same_bits(device_iou.read(), iou, "iou");
  check_same_bits(device_best.read(), best, "best_of_truth");
  check_same_bits(device_ignored.read(), ignored, "ignored");
}

// ---- RoIs' gradients

/// One array a level.
template <class R>
using Gradient = std::vector<std::vector<R>>;

/// backward(grad_output, deterministic) gives the gradient.
template <class T, class Backward>
void check_gradient(Random& random, std::vector<T> grad_output,
                    const std::vector<std::vector<reference::Expected>>& expected, Backward backward) {
  using R = Real<T>;
  double largest = 0;
  for (const T& grad : grad_output) largest = std::max<double>(largest, std::abs(to_real(grad)));
  // Fixed point loses some units, of which the largest gradient has 2^45 or more.
  const double slack = std::ldexp(largest, -40);
  const Gradient<R> exact = backward(grad_output, true), again = backward(grad_output, true),
                    loose = backward(grad_output, false);
  for (size_t level = 0; level < expected.size(); ++level) {
    check_close(exact[level], expected[level], slack, "gradient in fixed point");
    check_same_bits(again[level], exact[level], "gradient in fixed point, again");
    check_close(loose[level], expected[level], 0, "gradient by atomics");
  }
  if (grad_output.empty()) return;
  constexpr R kInfinity = std::numeric_limits<R>::infinity();
  grad_output[random.below(static_cast<int64_t>(grad_output.size()))] =
      from_real<T>(random.one_of({std::numeric_limits<R>::quiet_NaN(), kInfinity, -kInfinity}));
  for (const std::vector<R>& level : backward(grad_output, true)) {
    for (const R& value : level)
      check(std::isnan(value), "gradient in fixed point of a gradient that is not finite");
  }
}

template <class T>
void test_roi_pool(Random& random) {
  using R = Real<T>;
  const RoiPoolCase<T> one(random, 13);
  const RoiPoolShape& shape = one.shape;
  std::vector<T> output(one.size());
  std::vector<int32_t> argmax(one.size());
  reference::roi_pool_forward(shape, one.features.data(), one.rois.data(), output.data(), argmax.data());

  OnDevice<T> features(one.features, random_shift(random)), device_output(one.size(), random_shift(random));
  OnDevice<R> rois(one.rois);
  OnDevice<int32_t> device_argmax(one.size(), random_shift(random));
  int32_t* wanted = random.once_in(4) ? nullptr : device_argmax.data();
  check_success(
      cuda::roi_pool_forward(shape, features.data(), rois.data(), device_output.data(), wanted, stream));
  check_equal(device_output.read(), output, "output");
  if (wanted) check_same_bits(device_argmax.read(), argmax, "argmax");

  OnDevice<int32_t> given_argmax(argmax);
  const auto backward = [&](const std::vector<T>& grad_output, bool deterministic) {
    OnDevice<T> grad(grad_output);
    OnDevice<R> grad_features(one.features.size());
    OnDevice<int64_t> scratch(cuda::scratch_size(shape));
    check_success(cuda::roi_pool_backward(shape, grad.data(), rois.data(), given_argmax.data(),
                                          grad_features.data(), deterministic ? scratch.data() : nullptr,
                                          stream));
    return Gradient<R>{grad_features.read()};
  };
  check_gradient(
      random, one.grad_output,
      {reference::roi_pool_backward(shape, one.grad_output.data(), one.rois.data(), argmax.data())},
      backward);
}

template <class T>
void test_roi_align(Random& random) {
  using R = Real<T>;
  const RoiAlignCase<T> one(random, 13);
  OnDevice<R> rois(one.rois);
  OnDevice<int64_t> levels(one.levels);
  RoiAlignSpec<R> spec = one.spec;
  spec.rois = rois.data();
  if (spec.levels) spec.levels = levels.data();
  Pyramid<const T> features = one.features;
  std::vector<OnDevice<T>> maps;
  for (int i = 0; i < features.level_count; ++i) {
    maps.emplace_back(one.maps[i], random_shift(random));
    features.levels[i].cells = maps.back().data();
  }
  const size_t shift = random_shift(random);
  const auto forward = [&] {
    OnDevice<T> output(one.size(), shift);
    check_success(cuda::roi_align_forward(spec, features, output.data(), stream));
    return output.read();
  };
  const std::vector<T> output = forward();
  check_close(output, reference::roi_align_forward<T>(one.spec, one.features), 0, "output");
  check_same_bits(forward(), output, "output, again");

  Gradient<R> on_host;
  Pyramid<R> grad_features = one.grad_features(on_host);
  const auto expected = reference::roi_align_backward(one.spec, one.grad_output.data(), grad_features);
  const auto backward = [&](const std::vector<T>& grad_output, bool deterministic) {
    std::vector<OnDevice<R>> gradients;
    for (int i = 0; i < grad_features.level_count; ++i) {
      gradients.emplace_back(on_host[i].size());
      grad_features.levels[i].cells = gradients.back().data();
    }
    OnDevice<T> grad(grad_output);
    OnDevice<int64_t> scratch(cuda::scratch_size(grad_features));
    check_success(cuda::roi_align_backward(spec, grad.data(), grad_features,
                                           deterministic ? scratch.data() : nullptr, stream));
    Gradient<R> read;
    for (auto& gradient : gradients) read.push_back(gradient.read());
    return read;
  };
  check_gradient(random, one.grad_output, expected, backward);
}

template <class T>
void test_roi_align_of_rois(Random& random) {
  using R = Real<T>;
  RoiAlignCase<T> one(random, 13);
  one.features.channels_last = true;
  OnDevice<R> rois(one.rois);
  OnDevice<int64_t> levels(one.levels);
  RoiAlignSpec<R> spec = one.spec;
  spec.rois = rois.data();
  if (spec.levels) spec.levels = levels.data();
  Pyramid<const T> features = one.features;
  std::vector<OnDevice<T>> maps;
  for (int i = 0; i < features.level_count; ++i) {
    maps.emplace_back(one.maps[i], random_shift(random));
    features.levels[i].cells = maps.back().data();
  }
  OnDevice<T> grad(one.grad_output);
  const auto backward = [&] {
    OnDevice<R> grad_rois(5 * spec.roi_count);
    check_success(cuda::roi_align_backward_rois(spec, features, grad.data(), grad_rois.data(), stream));
    return grad_rois.read();
  };
  const std::vector<R> gradient = backward();
  check_close(gradient, reference::roi_align_backward_rois<T>(one.spec, one.features, one.grad_output.data()),
              0, "gradient of RoIs");
  check_same_bits(backward(), gradient, "gradient of RoIs, again");
}

// ---- deformable convolution

template <class T>
void test_deform_conv(Random& random) {
  using R = Real<T>;
  const DeformConvCase<T> one(random);
  OnDevice<T> features(one.features);
  OnDevice<R> offsets(one.offsets);
  const auto columns = [&] {
    OnDevice<R> got(one.grad_columns.size());
    check_success(cuda::deform_conv_columns(one.shape, offsets.data(), features.data(), one.positions,
                                            got.data(), stream));
    return got.read();
  };
  const std::vector<R> sampled = columns();
  check_close(
      sampled,
      reference::deform_conv_columns(one.shape, one.offsets.data(), one.features.data(), one.positions), 0,
      "columns");
  check_same_bits(columns(), sampled, "columns, again");

  const auto of_offsets = [&] {
    OnDevice<R> grad_columns(one.grad_columns), got(one.offsets.size());
    check_success(cuda::deform_conv_backward_offsets(one.shape, offsets.data(), features.data(),
                                                     one.positions, grad_columns.data(), got.data(), stream));
    const std::vector<R> all = got.read();
    const auto first = all.begin() + one.positions.first * one.offsets_of_position();
    return std::vector<R>(first, first + one.positions.count * one.offsets_of_position());
  };
  const std::vector<R> moved = of_offsets();
  check_close(moved,
              reference::deform_conv_backward_offsets(one.shape, one.offsets.data(), one.features.data(),
                                                      one.positions, one.grad_columns.data()),
              0, "gradient of offsets");
  check_same_bits(of_offsets(), moved, "gradient of offsets, again");

  const auto backward = [&](const std::vector<R>& grad, bool deterministic) {
    OnDevice<R> grad_columns(grad), grad_features(std::vector<R>(one.features.size(), R(0)));
    OnDevice<int64_t> scratch(cuda::scratch_size(one.shape));
    check_success(cuda::deform_conv_backward_features(one.shape, offsets.data(), one.positions,
                                                      grad_columns.data(), grad_features.data(),
                                                      deterministic ? scratch.data() : nullptr, stream));
    return Gradient<R>{grad_features.read()};
  };
  check_gradient(random, one.grad_columns,
                 {reference::deform_conv_backward_features(one.shape, one.offsets.data(), one.positions,
                                                           one.grad_columns.data())},
                 backward);
}

}  // namespace
}  // namespace rcnn::ops::kernels

int main(int argc, char** argv) {
  using namespace rcnn::ops::kernels;
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::puts("SKIPPED: no CUDA device");
    return 77;
  }
  const uint64_t cases = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1000;
  const uint64_t first_seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 0;
  check_success(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  run("nms float", test_nms<float>, first_seed, cases);
  run("nms double", test_nms<double>, first_seed, cases);
  run("nms of many", test_nms_of_many, first_seed, (cases + 99) / 100);
  run("match_boxes", test_match_boxes, first_seed, cases);
  run("roi_pool float", test_roi_pool<float>, first_seed, cases);
  run("roi_pool double", test_roi_pool<double>, first_seed, cases);
  run("roi_pool bfloat16", test_roi_pool<BFloat16>, first_seed, cases);
  run("roi_align float", test_roi_align<float>, first_seed, cases);
  run("roi_align double", test_roi_align<double>, first_seed, cases);
  run("roi_align bfloat16", test_roi_align<BFloat16>, first_seed, cases);
  run("roi_align of RoIs float", test_roi_align_of_rois<float>, first_seed, cases);
  run("roi_align of RoIs double", test_roi_align_of_rois<double>, first_seed, cases);
  run("roi_align of RoIs bfloat16", test_roi_align_of_rois<BFloat16>, first_seed, cases);
  run("deform_conv float", test_deform_conv<float>, first_seed, cases);
  run("deform_conv double", test_deform_conv<double>, first_seed, cases);
  run("deform_conv bfloat16", test_deform_conv<BFloat16>, first_seed, cases);
  check_success(cudaStreamDestroy(stream));
}
