// Times a training step on drawn images of one size with 8 boxes each, without loading:
//
//     bench_train CONFIG [--precision fp32|bf16] [--size 800x1344] [--batch 1] [--warmup 2] [--steps 5]
//                 [--device cpu|cuda] [--weights FILE]
//
// prints one line of JSON: the medians of forward (losses included), backward, optimiser and total seconds,
// of the seconds of all processors, which say more where others use the machine too, and the peak of memory
// in bytes: resident on a CPU, allocated on a GPU. Weights are random without a FILE; the rate is too small
// to change them. tools/bench/train_step.py runs torchvision beside it.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/util/StringUtil.h>
#include <torch/torch.h>

#include <rcnn/config/config.h>
#include <rcnn/error.h>
#include <rcnn/io/weight_file.h>
#include <rcnn/nn/layers/frozen_batch_norm.h>
#include <rcnn/nn/layers/precision.h>
#include <rcnn/nn/models/model.h>
#include <rcnn/nn/weights/weights.h>
#include <rcnn/train/solver.h>
#include <rcnn/version.h>

#include "median.h"

namespace rcnn::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kClasses = 90, kBoxes = 8;

struct Options {
  std::string config, weights;
  nn::Precision precision = nn::Precision::fp32;
  ImageSize size{.height = 800, .width = 1344};
  int64_t batch = 1, warmup = 2, steps = 5;
  at::Device device = at::kCPU;
};

Options parse(int count, char** arguments) {
  Options options;
  std::map<std::string, std::string> values{
      {"--precision", "fp32"}, {"--size", "800x1344"}, {"--batch", "1"}, {"--warmup", "2"},
      {"--steps", "5"},        {"--device", "cpu"},    {"--weights", ""}};
  for (int i = 1; i < count; ++i) {
    const std::string argument = arguments[i];
    const auto value = values.find(argument);
    if (value != values.end() && i + 1 < count) {
      value->second = arguments[++i];
    } else if (!argument.starts_with("--") && options.config.empty()) {
      options.config = argument;
    } else {
      throw ConfigError(argument + ": not known, or without its value");
    }
  }
  const auto number = [&](const char* name) {
    const auto& text = values.at(name);
    if (text.empty() || text.size() > 6 || text.find_first_not_of("0123456789") != std::string::npos)
      throw ConfigError(c10::str(name, " ", text, ": expected a number"));
    return std::stoll(text);
  };
  const auto one_of = [&](const char* name, const std::string& first, const std::string& second) {
    const auto& text = values.at(name);
    if (text != first && text != second)
      throw ConfigError(c10::str(name, " ", text, ": expected ", first, " or ", second));
    return text == second;
  };
  if (options.config.empty()) throw ConfigError("a config has to be named");
  options.weights = values.at("--weights");
  if (one_of("--precision", "fp32", "bf16")) options.precision = nn::Precision::bf16;
  if (one_of("--device", "cpu", "cuda")) options.device = at::kCUDA;
  if (options.device.is_cuda() && !has_cuda())
    throw ConfigError("--device cuda: this build has no CUDA kernels, or no GPU answers");
  if (std::sscanf(values.at("--size").c_str(), "%ldx%ld", &options.size.height, &options.size.width) != 2)
    throw ConfigError("--size " + values.at("--size") + ": expected HxW");
  options.batch = std::max(number("--batch"), 1LL);
  options.warmup = number("--warmup");
  options.steps = std::max(number("--steps"), 1LL);
  return options;
}

std::shared_ptr<nn::ModelImpl> model_of(const Options& options) {
  torch::manual_seed(0);
  const auto config = config::Config::load(options.config, {});
  const auto model = nn::make_model(config.root().child("model"), kClasses);
  if (!options.weights.empty()) {
    nn::load_state(*model, io::read_weight_file(options.weights).tensors, options.weights);
  } else {
    // Fresh frozen norms change nothing, and activations would double from block to block.
    const torch::NoGradGuard no_grad;
    for (const auto& module : model->modules()) {
      if (auto* norm = dynamic_cast<nn::FrozenBatchNormImpl*>(module.get())) norm->weight.fill_(0.7);
    }
  }
  model->to(options.device);
  model->train();
  return model;
}

ImageBatch draw_images(const Options& options) {
  ImageBatch images;
  for (int64_t i = 0; i < options.batch; ++i) {
    images.images.push_back(at::randint(0, 256, {options.size.height, options.size.width, 3}, at::kByte));
    images.sizes.push_back(options.size);
  }
  return images;
}

std::vector<Target> draw_targets(const Options& options) {
  const auto extent =
      at::tensor({static_cast<float>(options.size.width), static_cast<float>(options.size.height)});
  std::vector<Target> targets;
  for (int64_t i = 0; i < options.batch; ++i) {
    const auto corner = at::rand({kBoxes, 2}) * extent * 0.6,
               extents = (at::rand({kBoxes, 2}) * 0.35 + 0.05) * extent;
    targets.push_back({.boxes = at::cat({corner, corner + extents}, 1).to(options.device),
                       .labels = at::randint(1, kClasses + 1, {kBoxes}, at::kLong).to(options.device),
                       .ignore = at::empty({0, 4}, options.device)});
  }
  return targets;
}

struct Times {
  std::vector<double> forward, backward, optimizer, total, processors;
};

/// Seconds since the last call, once the device has done all that was asked of it.
class Lap {
 public:
  explicit Lap(at::Device device) : device_(device) { seconds(); }
  double seconds() {
    if (device_.is_cuda()) torch::cuda::synchronize();
    const auto now = Clock::now();
    return std::chrono::duration<double>(now - std::exchange(start_, now)).count();
  }

 private:
  at::Device device_;
  Clock::time_point start_ = Clock::now();
};

int64_t peak_memory(at::Device device) {
  if (device.is_cuda()) {
    const auto stats = at::getDeviceAllocator(device.type())->getDeviceStats(0);
    return stats.allocated_bytes[0].peak;
  }
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    int64_t kilobytes = 0;
    if (word == "VmHWM:" && status >> kilobytes) return 1024 * kilobytes;
  }
  throw Error("/proc/self/status: no line VmHWM", 1);
}

void bench_train(const Options& options) {
  const auto model = model_of(options);
  const auto images = draw_images(options);
  const auto targets = draw_targets(options);
  train::Solver solver(*model, {});
  solver.set_learning_rate(1e-12);
  Times times;
  double loss = 0;
  for (int64_t i = 0; i < options.warmup + options.steps; ++i) {
    Lap lap(options.device);
    const std::clock_t processors = std::clock();
    at::Tensor sum;
    {
      const nn::Autocast autocast(options.device.type(), options.precision);
      for (const auto& part : model->losses(images, targets))
        sum = sum.defined() ? sum + part.value : part.value;
    }
    loss = sum.item<double>();
    if (!std::isfinite(loss)) throw Error("the loss is not finite", 1);
    const double forward = lap.seconds();
    solver.zero_grad();
    sum.backward();
    const double backward = lap.seconds();
    solver.step();
    const double optimizer = lap.seconds();
    if (i < options.warmup) continue;
    times.forward.push_back(forward);
    times.backward.push_back(backward);
    times.optimizer.push_back(optimizer);
    times.total.push_back(forward + backward + optimizer);
    times.processors.push_back(static_cast<double>(std::clock() - processors) / CLOCKS_PER_SEC);
  }
  std::printf(
      "{\"forward\": %.5f, \"backward\": %.5f, \"optimizer\": %.5f, \"total\": %.5f, \"processors\": %.5f, "
      "\"steps\": %ld, "
      "\"peak_bytes\": %ld, \"loss\": %.6g, \"precision\": \"%s\", \"device\": \"%s\", \"threads\": %d}\n",
      median(times.forward), median(times.backward), median(times.optimizer), median(times.total),
      median(times.processors), options.steps, peak_memory(options.device), loss,
      options.precision == nn::Precision::bf16 ? "bf16" : "fp32", options.device.str().c_str(),
      at::get_num_threads());
}

}  // namespace
}  // namespace rcnn::bench

int main(int count, char** arguments) {
  try {
    rcnn::bench::bench_train(rcnn::bench::parse(count, arguments));
    return 0;
  } catch (const rcnn::Error& error) {
    std::cerr << "error: " << error.what() << std::endl;
    return error.exit_code();
  } catch (const c10::Error& error) {
    std::cerr << "error: " << error.what_without_backtrace() << std::endl;
    return 1;
  }
}
