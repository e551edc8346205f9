// Times the operators one call at a time on inputs drawn from a fixed seed, with Google Benchmark and all of
// its flags:
//   bench_ops --benchmark_filter=roi_align/1000 --benchmark_format=json
// tests/oracle/bench_torchvision.py runs torchvision beside it.

#include <fstream>
#include <iostream>
#include <optional>
#include <string>

#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <c10/util/StringUtil.h>
#include <malloc.h>

#include <rcnn/error.h>
#include <rcnn/io/safetensors.h>
#include <rcnn/version.h>

#include "cases.h"

namespace rcnn::bench {
namespace {

constexpr int kUsageError = 2;
constexpr uint64_t kSeed = 20240607;

void print_help() {
  std::cout << "bench_ops [--device cpu|cuda] [--dump FILE] [flags of Google Benchmark, below]\n\n"
               "--device  where the operators run\n"
               "--dump    also write each case's inputs and results to this safetensors file, as\n"
               "          CASE/inputs/NAME, CASE/earlier/NAME (read only by the forward pass before a timed\n"
               "          backward pass) and CASE/results/NAME\n\n";
  benchmark::PrintDefaultHelp();
}

struct Options {
  at::Device device = at::kCPU;
  std::optional<std::string> dump;
};

/// Takes this program's own flags out of the command line.
Options take_options(int& argc, char** argv) {
  Options options;
  int kept = 0;
  for (int i = 0; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag != "--device" && flag != "--dump") {
      argv[kept++] = argv[i];
      continue;
    }
    if (++i == argc) throw ConfigError(flag + ": a value has to follow; see bench_ops --help");
    const std::string value = argv[i];
    if (flag == "--dump") {
      options.dump = value;
    } else if (value != "cpu" && value != "cuda") {
      throw ConfigError("--device " + value + ": expected cpu or cuda");
    } else if (value == "cuda" && !has_cuda()) {
      throw ConfigError("--device cuda: this build has no CUDA kernels, or no GPU answers");
    } else {
      options.device = at::Device(value);
    }
  }
  argc = kept;
  return options;
}

void wait_for(at::Device device) {
  if (device.is_cuda()) torch::cuda::synchronize();
}

/// A line of /proc/self/status, in bytes.
double resident_bytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    double kilobytes = 0;
    if (word == field && status >> kilobytes) return kilobytes * 1024;
  }
  throw Error("/proc/self/status: no line " + field, 1);
}

/// Lets VmHWM start again from VmRSS, with what was freed earlier given back: it would serve a call unseen.
bool restart_peak_memory() {
  malloc_trim(0);
  return static_cast<bool>(std::ofstream("/proc/self/clear_refs") << 5 << std::flush);
}

double bytes_of(const Tensors& tensors) {
  double bytes = 0;
  for (const auto& [name, tensor] : tensors) bytes += static_cast<double>(tensor.nbytes());
  return bytes;
}

void run(benchmark::State& state, const Case& one, at::Device device, Tensors* dump) {
  at::manual_seed(kSeed);
  const Work work = one.prepare(device);
  const bool watched = device.is_cpu() && restart_peak_memory();
  const double before = resident_bytes("VmRSS:");
  Tensors results = work.call();
  wait_for(device);
  // The results count too.
  if (watched) state.counters["extra_bytes"] = resident_bytes("VmHWM:") - before;
  const double bytes = bytes_of(work.inputs) + bytes_of(results);
  if (dump) {
    for (const auto& [kind, tensors] :
         {std::pair{"inputs", &work.inputs}, {"earlier", &work.earlier}, {"results", &results}}) {
      for (const auto& [name, tensor] : *tensors) (*dump)[c10::str(one.name, "/", kind, "/", name)] = tensor;
    }
  }
  results.clear();
  for (auto _ : state) {
    work.call();
    wait_for(device);
  }
  state.SetBytesProcessed(static_cast<int64_t>(bytes) * state.iterations());
}

int bench_ops(int argc, char** argv) {
  const Options options = take_options(argc, argv);
  benchmark::Initialize(&argc, argv, print_help);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return kUsageError;
  benchmark::AddCustomContext("rcnn", version());
  benchmark::AddCustomContext("LibTorch", torch_version());
  benchmark::AddCustomContext("device", options.device.str());
  benchmark::AddCustomContext("threads", c10::str(at::get_num_threads()));

  Tensors dump;
  for (const auto& cases : {nms_cases(), roi_cases(), match_cases(), deform_conv_cases()}) {
    for (const Case& one : cases) {
      const auto measure = [&dump, one, options](benchmark::State& state) {
        run(state, one, options.device, options.dump ? &dump : nullptr);
      };
      benchmark::RegisterBenchmark(one.name.c_str(), measure)->Unit(benchmark::kMillisecond)->UseRealTime();
    }
  }
  if (benchmark::RunSpecifiedBenchmarks() == 0)
    return kUsageError;  // it has said that the filter matches none
  if (options.dump) io::write_safetensors(*options.dump, {.tensors = dump, .metadata = {}});
  return 0;
}

}  // namespace
}  // namespace rcnn::bench

int main(int argc, char** argv) {
  try {
    return rcnn::bench::bench_ops(argc, argv);
  } catch (const rcnn::Error& error) {
    std::cerr << "error: " << error.what() << std::endl;
    return error.exit_code();
  } catch (const c10::Error& error) {
    std::cerr << "error: " << error.what_without_backtrace() << std::endl;
    return 1;
  }
}
