#pragma once

#include <optional>
#include <string>

#include <c10/core/Device.h>

namespace rcnn {

/// A GPU, as far as kernels have to fit it.
struct CudaDevice {
  std::string name;
  int major = 0, minor = 0;  ///< its compute capability
};

/// The current one; none where this build has no kernels, LibTorch no CUDA or the machine no GPU.
std::optional<CudaDevice> cuda_device();

/// Whether kernels of these architectures, in the words of cuda_architectures(), run on the GPU. Machine code
/// (sm_86) does on GPUs of its major number and the same or a higher minor one, PTX (compute_90) on all of
/// the same or a higher number; what is made for one GPU alone (sm_90a) or for a family (sm_100f), on those.
bool run_on(const std::string& architectures, const CudaDevice& device);

/// What parse_device answers where `gpu` is what cuda_device() finds and `architectures` are the build's.
/// Warns when "auto" has to do without a GPU that is there.
c10::Device choose_device(const std::string& name, const std::optional<CudaDevice>& gpu,
                          const std::string& architectures);

}  // namespace rcnn
