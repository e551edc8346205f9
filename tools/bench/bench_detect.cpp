// Times detecting on one image file, from its bytes to boxes:
//
//     bench_detect WEIGHTS IMAGE [--precision fp32|bf16] [--warmup 2] [--steps 5] [--device cpu|cuda]
//                  [--detections FILE]
//
// prints one line of JSON: the medians of decode, network (everything from pixels to boxes) and total
// seconds, of the seconds of all processors, which say more where others use the machine too, and the peak of
// resident memory in bytes. What was found goes to FILE. tools/bench/detect.py runs torchvision beside it.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <sys/resource.h>
#include <torch/torch.h>

#include <rcnn/data/images/image.h>
#include <rcnn/error.h>
#include <rcnn/infer/results.h>
#include <rcnn/infer/tensor_detector.h>

#include "median.h"
#include "rcnn/freed_memory.h"

namespace rcnn::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::filesystem::path weights, image, detections;
  std::string precision = "fp32", device = "cpu";
  int64_t warmup = 2, steps = 5;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void bench_detect(const Options& options) {
  const auto detector = TensorDetector::load(
      options.weights,
      {.device = options.device,
       .precision = options.precision == "bf16" ? nn::Precision::bf16 : nn::Precision::fp32});
  std::vector<double> decode, network, total, processors;
  std::vector<Detection> found;
  for (int64_t i = 0; i < options.warmup + options.steps; ++i) {
    const auto start = Clock::now();
    const std::clock_t clock = std::clock();
    const auto image = data::read_image(options.image);
    const double decoded = seconds_since(start);
    found = to_list(detector.detect(image));  // waits for the device
    const double all = seconds_since(start);
    if (i < options.warmup) continue;
    decode.push_back(decoded);
    network.push_back(all - decoded);
    total.push_back(all);
    processors.push_back(static_cast<double>(std::clock() - clock) / CLOCKS_PER_SEC);
  }
  if (!options.detections.empty()) {
    write_results(options.detections, {{1, options.image.filename().string(), found}}, detector.categories());
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf(
      "{\"decode\": %.5f, \"network\": %.5f, \"total\": %.5f, \"processors\": %.5f, \"peak_bytes\": %ld, "
      "\"found\": %zu, \"threads\": %d}\n",
      median(decode), median(network), median(total), median(processors), 1024 * usage.ru_maxrss,
      found.size(), at::get_num_threads());
}

}  // namespace
}  // namespace rcnn::bench

int main(int count, char** arguments) {
  // As the program does.
  setenv("THP_MEM_ALLOC_ENABLE", "1", /*overwrite=*/0);
  rcnn::tools::keep_freed_memory();
  CLI::App app("Times detecting on one image file");
  rcnn::bench::Options options;
  app.add_option("weights", options.weights)->required();
  app.add_option("image", options.image)->required();
  app.add_option("--precision", options.precision)->check(CLI::IsMember({"fp32", "bf16"}));
  app.add_option("--warmup", options.warmup)->check(CLI::NonNegativeNumber);
  app.add_option("--steps", options.steps)->check(CLI::PositiveNumber);
  app.add_option("--device", options.device);
  app.add_option("--detections", options.detections, "COCO results to write");
  CLI11_PARSE(app, count, arguments);
  try {
    rcnn::bench::bench_detect(options);
    return 0;
  } catch (const rcnn::Error& error) {
    std::cerr << "error: " << error.what() << std::endl;
    return error.exit_code();
  } catch (const c10::Error& error) {
    std::cerr << "error: " << error.what_without_backtrace() << std::endl;
    return 1;
  }
}
