#include "device.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include <spdlog/fmt/fmt.h>

#ifdef RCNN_HAS_CUDA
#include <cuda_runtime_api.h>
#include <torch/cuda.h>
#endif

#include <rcnn/device.h>
#include <rcnn/error.h>
#include <rcnn/log.h>
#include <rcnn/version.h>

namespace rcnn {
namespace {

/// Of one word: "sm_90a".
bool runs_on(std::string_view architecture, const CudaDevice& device) {
  const bool machine_code = architecture.starts_with("sm_");
  architecture.remove_prefix(std::min(architecture.size(), architecture.find('_') + 1));
  int number = 0;
  const char* end = architecture.data() + architecture.size();
  const auto [suffix, error] = std::from_chars(architecture.data(), end, number);
  if (error != std::errc()) return true;  // CMake's "native" or "all": not known, the launch will say
  const int major = number / 10, minor = number % 10;
  const bool same_major = major == device.major && minor <= device.minor;
  if (suffix != end && *suffix == 'a') return same_major && minor == device.minor;
  if (machine_code || (suffix != end && *suffix == 'f')) return same_major;
  return same_major || major < device.major;
}

}  // namespace

std::optional<CudaDevice> cuda_device() {
#ifdef RCNN_HAS_CUDA
  int index = 0;
  cudaDeviceProp properties{};
  if (!torch::cuda::is_available() || cudaGetDevice(&index) != cudaSuccess ||
      cudaGetDeviceProperties(&properties, index) != cudaSuccess)
    return std::nullopt;
  return CudaDevice{properties.name, properties.major, properties.minor};
#else
  return std::nullopt;
#endif
}

bool run_on(const std::string& architectures, const CudaDevice& device) {
  for (std::string_view rest = architectures; !rest.empty();) {
    const auto word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(word.size() + 1, rest.size()));
    if (!word.empty() && runs_on(word, device)) return true;
  }
  return false;
}

c10::Device choose_device(const std::string& name, const std::optional<CudaDevice>& gpu,
                          const std::string& architectures) {
  if (name == "cpu") return c10::DeviceType::CPU;
  if (name != "auto" && name != "cuda")
    throw ConfigError("device: unknown device '" + name + "'; known: auto, cpu, cuda");
  if (gpu && run_on(architectures, *gpu)) return c10::DeviceType::CUDA;
  if (name == "auto" && !gpu) return c10::DeviceType::CPU;
  if (!gpu) throw ConfigError("device: there is no usable CUDA device; use cpu or auto");
  const auto misfit =
      fmt::format("device: this build has kernels for {}, the GPU ({}) is of compute capability {}.{}",
                  architectures, gpu->name, gpu->major, gpu->minor);
  const auto remedy =
      fmt::format("build with -DRCNN_CUDA_ARCHITECTURES={}{} to use it", gpu->major, gpu->minor);
  if (name == "cuda") throw ConfigError(misfit + "; use cpu, or " + remedy);
  log::warn(misfit + ": computing on the CPU; " + remedy);
  return c10::DeviceType::CPU;
}

c10::Device parse_device(const std::string& name) {
  return choose_device(name, cuda_device(), cuda_architectures());
}

}  // namespace rcnn
