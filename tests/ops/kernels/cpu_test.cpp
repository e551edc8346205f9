// The CPU launchers, with every instruction set that the processor runs, against references written from the
// definition, on random inputs. Needs a compiler and nothing else:
//   rcnn_kernels_cpu_test [cases of each kind = 1000] [first seed = 0]

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

#include "tests/ops/kernels/cases.h"
#include "tests/ops/kernels/checks.h"

namespace rcnn::ops::kernels {
namespace {

using namespace test;
using cpu::InstructionSet;
using cpu::Parallel;
using cpu::RangeBody;

// ---- ways to divide the work, of which no result may depend

void in_one(int64_t count, int64_t, const RangeBody& body) {
  if (count > 0) body(0, count);
}

/// Single items, the last one first.
void one_by_one(int64_t count, int64_t, const RangeBody& body) {
  for (int64_t i = count - 1; i >= 0; --i) body(i, i + 1);
}

void in_threads(int64_t count, int64_t, const RangeBody& body) {
  constexpr int64_t kThreads = 3;
  std::vector<std::thread> threads;
  for (int64_t t = 0; t < kThreads; ++t) {
    const int64_t begin = count * t / kThreads, end = count * (t + 1) / kThreads;
    if (begin < end) threads.emplace_back([&body, begin, end] { body(begin, end); });
  }
  for (std::thread& thread : threads) thread.join();
}

struct Way {
  InstructionSet instruction_set;
  Parallel parallel;
};

/// The first is the one that the others must equal.
std::vector<Way> ways(Random& random) {
  std::vector<Way> all;
  for (const auto set : {InstructionSet::kBaseline, InstructionSet::kAvx2, InstructionSet::kAvx512})
    if (set <= cpu::best_instruction_set()) all.push_back({set, in_one});
  all.push_back({cpu::best_instruction_set(), one_by_one});
  if (random.once_in(20)) all.push_back({cpu::best_instruction_set(), in_threads});  // slow to start
  return all;
}

/// Results of compute(way), all the same bits, of which the first is returned.
template <class Compute>
auto same_in_all_ways(Random& random, const char* what, Compute compute) {
  const std::vector<Way> all = ways(random);
  const auto first = compute(all.front());
  for (size_t i = 1; i < all.size(); ++i) check_same_bits(compute(all[i]), first, what);
  return first;
}

// ---- boxes

template <class T>
void compare_nms(Random& random, int64_t images, int64_t count, double extent) {
  const NmsCase<T> c(random, images, count, extent);
  std::vector<int64_t> positions(images * c.max_kept), counts(images);
  reference::nms(c.boxes, c.iou_threshold, {positions.data(), counts.data(), c.max_kept});
  for (const Way& way : ways(random)) {
    std::vector<int64_t> got_positions(positions.size(), 77), got_counts(images, 77);
    cpu::nms(c.boxes, c.iou_threshold, {got_positions.data(), got_counts.data(), c.max_kept}, way.parallel,
             way.instruction_set);
    check_same_bits(got_counts, counts, "counts");
    check_same_bits(got_positions, positions, "positions");
  }
}

template <class T>
void test_nms(Random& random) {
  const auto count =
      random.one_of<int64_t>({0, 1, 2, 15, 16, 17, 255, 256, 257, random.below(200), random.below(600)});
  compare_nms<T>(random, random_images(random), count, 20);
}

/// So many that threads share a tile.
void test_nms_of_many(Random& random) {
  const int64_t count = random.between(4000, 6000);
  compare_nms<float>(random, 1, count, random.one_of({100.0, 1000.0}));
}

/// The scratch of the CUDA launcher, which needs no device to be reckoned.
void test_nms_mask(Random& random) {
  constexpr int64_t kTile = cuda::kNmsTile;
  const int64_t images = random.between(0, 20), count = random.below(random.once_in(2) ? 2'000'000 : 500);
  const int64_t most_words = random.below(random.once_in(2) ? 1 << 27 : 1000);
  const auto mask = cuda::nms_mask(images, count, most_words);
  check(mask.tiles * kTile >= count && (mask.tiles - 1) * kTile < count, "tiles");
  check(mask.rows >= kTile && mask.rows % kTile == 0, "rows");
  const bool fits = images * mask.words_of_image() <= most_words;
  check(fits || mask.rows == kTile, "the mask's size");
  const cuda::NmsMask longer{mask.tiles, mask.rows + kTile};
  check(mask.rows >= count || images * longer.words_of_image() > most_words, "room for more rows");
}

template <class T>
void test_soft_nms(Random& random) {
  const SoftNmsCase<T> c(random);
  std::vector<int64_t> indices(c.max_kept, 77);
  std::vector<T> scores(c.max_kept, 77);
  const int64_t count =
      reference::soft_nms(c.boxes, c.decay, c.min_score, {indices.data(), scores.data(), c.max_kept});
  for (const Way& way : ways(random)) {
    std::vector<int64_t> got_indices(c.max_kept, 77);
    std::vector<T> got_scores(c.max_kept, 77);
    check(cpu::soft_nms(c.boxes, c.decay, c.min_score, {got_indices.data(), got_scores.data(), c.max_kept},
                        way.parallel) == count,
          "count");
    check_same_bits(got_indices, indices, "indices");
    check_same_bits(got_scores, scores, "scores");
  }
}

void test_match_boxes(Random& random) {
  const MatchCase c(random);
  const int64_t count = c.input.candidate_count;
  struct Result {
    std::vector<int64_t> truth;
    std::vector<float> iou, ignored;
    std::vector<unsigned char> best;

    explicit Result(int64_t size) : truth(size, 77), iou(size, 77), ignored(size, 77), best(size, 1) {}
    MatchOutput output() {
      return {truth.data(), iou.data(), reinterpret_cast<bool*>(best.data()), ignored.data()};
    }
  };
  Result expected(count);
  reference::match_boxes(c.input, expected.output());
  for (const Way& way : ways(random)) {
    Result result(count);
    cpu::match_boxes(c.input, result.output(), way.parallel, way.instruction_set);
    check_same_bits(result.truth, expected.truth, "truth");
    check_equal(result.iou, expected.iou, "iou");
    check_same_bits(result.best, expected.best, "best_of_truth");
    check_equal(result.ignored, expected.ignored, "ignored");
  }
}

// ---- RoIPool

template <class T>
void test_roi_pool(Random& random) {
  using R = Real<T>;
  const RoiPoolCase<T> c(random, random.one_of<int64_t>({13, 13, 80}));
  std::vector<T> output(c.size());
  std::vector<int32_t> argmax(c.size());
  reference::roi_pool_forward(c.shape, c.features.data(), c.rois.data(), output.data(), argmax.data());
  for (const Way& way : ways(random)) {
    std::vector<T> got(c.size()), got_alone(c.size());
    std::vector<int32_t> got_argmax(c.size(), 77);
    cpu::roi_pool_forward(c.shape, c.features.data(), c.rois.data(), got.data(), got_argmax.data(),
                          way.parallel, way.instruction_set);
    check_equal(got, output, "output");
    check_same_bits(got_argmax, argmax, "argmax");
    cpu::roi_pool_forward<T>(c.shape, c.features.data(), c.rois.data(), got_alone.data(), nullptr,
                             way.parallel, way.instruction_set);
    check_equal(got_alone, output, "output without argmax");
  }
  const std::vector<R> gradient = same_in_all_ways(random, "gradient", [&](const Way& way) {
    std::vector<R> grad_features(c.features.size(), R(77));
    cpu::roi_pool_backward(c.shape, c.grad_output.data(), c.rois.data(), argmax.data(), grad_features.data(),
                           way.parallel, way.instruction_set);
    return grad_features;
  });
  check_close(gradient,
              reference::roi_pool_backward(c.shape, c.grad_output.data(), c.rois.data(), argmax.data()), 0,
              "gradient");
}

// ---- RoIAlign

template <class T>
void test_roi_align(Random& random) {
  using R = Real<T>;
  const RoiAlignCase<T> c(random, random.one_of<int64_t>({13, 13, 80}));
  const std::vector<T> output = same_in_all_ways(random, "output", [&](const Way& way) {
    std::vector<T> got(c.size());
    cpu::roi_align_forward(c.spec, c.features, got.data(), way.parallel, way.instruction_set);
    return got;
  });
  check_close(output, reference::roi_align_forward<T>(c.spec, c.features), 0, "output");

  std::vector<std::vector<R>> gradients;
  const Pyramid<R> shape = c.grad_features(gradients);
  const auto expected = reference::roi_align_backward(c.spec, c.grad_output.data(), shape);
  const std::vector<R> joined = same_in_all_ways(random, "gradient", [&](const Way& way) {
    cpu::roi_align_backward(c.spec, c.grad_output.data(), c.grad_features(gradients), way.parallel,
                            way.instruction_set);
    std::vector<R> all;
    for (const auto& level : gradients) all.insert(all.end(), level.begin(), level.end());
    return all;
  });
  std::vector<reference::Expected> all_expected;
  for (const auto& level : expected) all_expected.insert(all_expected.end(), level.begin(), level.end());
  check_close(joined, all_expected, 0, "gradient");
}

template <class T>
void test_roi_align_of_rois(Random& random) {
  using R = Real<T>;
  RoiAlignCase<T> c(random, random.one_of<int64_t>({13, 13, 80}));
  c.features.channels_last = true;
  const std::vector<R> gradient = same_in_all_ways(random, "gradient of RoIs", [&](const Way& way) {
    std::vector<R> got(5 * c.spec.roi_count, R(77));
    cpu::roi_align_backward_rois(c.spec, c.features, c.grad_output.data(), got.data(), way.parallel,
                                 way.instruction_set);
    return got;
  });
  check_close(gradient, reference::roi_align_backward_rois<T>(c.spec, c.features, c.grad_output.data()), 0,
              "gradient of RoIs");
}

/// A bin that lies outside the map is 0 whatever the map holds.
template <class T>
void test_roi_align_of_nan(Random& random) {
  RoiAlignCase<T> c(random, 13);
  for (auto& map : c.maps)
    for (T& cell : map) cell = from_real<T>(std::numeric_limits<Real<T>>::quiet_NaN());
  const auto expected = reference::roi_align_forward<T>(c.spec, c.features);
  for (const Way& way : ways(random)) {
    std::vector<T> got(c.size());
    cpu::roi_align_forward(c.spec, c.features, got.data(), way.parallel, way.instruction_set);
    for (size_t i = 0; i < got.size(); ++i) {
      const auto value = to_real(got[i]);
      const bool doubtful = expected[i].value == 0;  // a sample that a rounding may put in or out
      check(value != value || (doubtful && value == 0), "output of NaN");
    }
  }
}

// ---- deformable convolution

template <class T>
void test_deform_conv(Random& random) {
  using R = Real<T>;
  const DeformConvCase<T> c(random);
  const R *offsets = c.offsets.data(), *grad_columns = c.grad_columns.data();
  const T* features = c.features.data();
  const std::vector<R> columns = same_in_all_ways(random, "columns", [&](const Way& way) {
    std::vector<R> got(c.grad_columns.size(), R(77));
    cpu::deform_conv_columns(c.shape, offsets, features, c.positions, got.data(), way.parallel,
                             way.instruction_set);
    return got;
  });
  check_close(columns, reference::deform_conv_columns(c.shape, offsets, features, c.positions), 0, "columns");

  const std::vector<R> of_offsets = same_in_all_ways(random, "gradient of offsets", [&](const Way& way) {
    std::vector<R> all(c.offsets.size(), R(77));
    cpu::deform_conv_backward_offsets(c.shape, offsets, features, c.positions, grad_columns, all.data(),
                                      way.parallel, way.instruction_set);
    const auto first = all.begin() + c.positions.first * c.offsets_of_position(),
               last = first + c.positions.count * c.offsets_of_position();
    check(std::all_of(all.begin(), first, [](R value) { return value == R(77); }) &&
              std::all_of(last, all.end(), [](R value) { return value == R(77); }),
          "gradients of other positions' offsets");
    return std::vector<R>(first, last);
  });
  check_close(of_offsets,
              reference::deform_conv_backward_offsets(c.shape, offsets, features, c.positions, grad_columns),
              0, "gradient of offsets");

  const std::vector<R> before = random_values<R>(random, static_cast<int64_t>(c.features.size()));
  const std::vector<R> of_features = same_in_all_ways(random, "gradient", [&](const Way& way) {
    std::vector<R> got = before;
    cpu::deform_conv_backward_features(c.shape, offsets, c.positions, grad_columns, got.data(), way.parallel,
                                       way.instruction_set);
    return got;
  });
  auto expected = reference::deform_conv_backward_features(c.shape, offsets, c.positions, grad_columns);
  for (size_t i = 0; i < expected.size(); ++i) {
    expected[i].value += before[i];
    expected[i].error += reference::kRelativeError<R> * std::abs(before[i]);
  }
  check_close(of_features, expected, 0, "gradient");
}

}  // namespace
}  // namespace rcnn::ops::kernels

int main(int argc, char** argv) {
  using namespace rcnn::ops::kernels;
  const uint64_t cases = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1000;
  const uint64_t first_seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 0;
  run("nms float", test_nms<float>, first_seed, cases);
  run("nms double", test_nms<double>, first_seed, cases);
  run("nms of many", test_nms_of_many, first_seed, (cases + 99) / 100);
  run("nms' mask", test_nms_mask, first_seed, cases);
  run("soft_nms float", test_soft_nms<float>, first_seed, cases);
  run("soft_nms double", test_soft_nms<double>, first_seed, cases);
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
  run("roi_align of NaN", test_roi_align_of_nan<float>, first_seed, cases);
}
