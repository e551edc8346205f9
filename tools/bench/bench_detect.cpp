// Times detecting on image files, from their bytes to boxes:
//
//     bench_detect WEIGHTS IMAGE... [--precision fp32|bf16] [--warmup 2] [--steps 5] [--device cpu|cuda]
//                  [--proposal-file FILE] [--detections FILE]
//
// prints one line of JSON: the medians, over all images and steps, of decode, network (everything from pixels
// to boxes) and total seconds, of the seconds of all processors, which say more where others use the machine
// too, and the peak of resident memory in bytes; of the network's seconds those of its parts, which on a GPU
// are those of launching them. What was found goes to FILE. tools/bench/detect.py runs torchvision beside it.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/record_function.h>
#include <CLI/CLI.hpp>
#include <sys/resource.h>
#include <torch/torch.h>

#include <rcnn/data/images/find_images.h>
#include <rcnn/data/images/image.h>
#include <rcnn/error.h>
#include <rcnn/infer/proposal_source.h>
#include <rcnn/infer/results.h>
#include <rcnn/infer/tensor_detector.h>

#include "median.h"
#include "rcnn/freed_memory.h"

namespace rcnn::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::filesystem::path weights, proposals, detections;
  std::vector<std::filesystem::path> images;
  std::string precision = "fp32", device = "cpu";
  int64_t warmup = 2, steps = 5;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Seconds in each range of the user's scope, see nn/models/trunk.h.
std::map<std::string, double>& seconds_of_parts() {
  static std::map<std::string, double> seconds;
  return seconds;
}

struct PartBegin : at::ObserverContext {
  Clock::time_point time = Clock::now();
};

std::unique_ptr<at::ObserverContext> begin_part(const at::RecordFunction&) {
  return std::make_unique<PartBegin>();
}

void end_part(const at::RecordFunction& part, at::ObserverContext* begin) {
  seconds_of_parts()[part.name()] += seconds_since(static_cast<PartBegin*>(begin)->time);
}

std::vector<Detection> detect(const TensorDetector& detector, const at::Tensor& image,
                              const std::vector<Box>* proposals) {
  if (!proposals) return to_list(detector.detect(image));
  const auto boxes = data::to_tensor(*proposals);
  return to_list(detector.detect(std::span(&image, 1), std::span(&boxes, 1)).front());
}

void bench_detect(const Options& options) {
  const auto detector = TensorDetector::load(
      options.weights,
      {.device = options.device,
       .precision = options.precision == "bf16" ? nn::Precision::bf16 : nn::Precision::fp32});
  at::addGlobalCallback(
      at::RecordFunctionCallback(begin_part, end_part).scopes({at::RecordScope::USER_SCOPE}));
  const auto files = data::find_images(options.images, {});
  const auto source = options.proposals.empty() ? nullptr : stored_proposals(options.proposals, files);
  std::vector<double> decode, network, total, processors;
  std::map<std::string, std::vector<double>> parts;
  std::vector<ImageDetections> found;
  for (size_t index = 0; index < files.size(); ++index) {
    const auto& path = files[index].path;
    std::unique_ptr<std::vector<Box>> proposals;
    if (source) {
      const auto image = data::read_image(path);
      proposals = std::make_unique<std::vector<Box>>(source->of(index, {image.size(0), image.size(1)}));
    }
    auto& of_image = found.emplace_back(static_cast<int64_t>(index) + 1, path.filename().string());
    for (int64_t i = 0; i < options.warmup + options.steps; ++i) {
      seconds_of_parts().clear();
      const auto start = Clock::now();
      const std::clock_t clock = std::clock();
      const auto image = data::read_image(path);
      const double decoded = seconds_since(start);
      of_image.detections = detect(detector, image, proposals.get());  // waits for the device
      const double all = seconds_since(start);
      if (i < options.warmup) continue;
      decode.push_back(decoded);
      network.push_back(all - decoded);
      total.push_back(all);
      processors.push_back(static_cast<double>(std::clock() - clock) / CLOCKS_PER_SEC);
      for (const auto& [name, seconds] : seconds_of_parts()) parts[name].push_back(seconds);
    }
  }
  if (!options.detections.empty()) write_results(options.detections, found, detector.categories());
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("{\"decode\": %.5f, \"network\": %.5f, ", median(decode), median(network));
  for (const auto& [name, seconds] : parts) std::printf("\"%s\": %.5f, ", name.c_str(), median(seconds));
  size_t objects = 0;
  for (const auto& of_image : found) objects += of_image.detections.size();
  std::printf(
      "\"total\": %.5f, \"processors\": %.5f, \"peak_bytes\": %ld, \"found\": %zu, \"threads\": %d}\n",
      median(total), median(processors), 1024 * usage.ru_maxrss, objects, at::get_num_threads());
}

}  // namespace
}  // namespace rcnn::bench

int main(int count, char** arguments) {
  // As the program does.
  setenv("THP_MEM_ALLOC_ENABLE", "1", /*overwrite=*/0);
  rcnn::tools::keep_freed_memory();
  CLI::App app("Times detecting on image files");
  rcnn::bench::Options options;
  app.add_option("weights", options.weights)->required();
  app.add_option("images", options.images)->required();
  app.add_option("--precision", options.precision)->check(CLI::IsMember({"fp32", "bf16"}));
  app.add_option("--warmup", options.warmup)->check(CLI::NonNegativeNumber);
  app.add_option("--steps", options.steps)->check(CLI::PositiveNumber);
  app.add_option("--device", options.device);
  app.add_option("--proposal-file", options.proposals, "for weights that need proposals");
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
