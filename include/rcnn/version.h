#pragma once

#include <string>

#include <rcnn/export.h>

namespace rcnn {

/// "0.1.0"
RCNN_EXPORT std::string version();

/// LibTorch's own version, "2.11.0".
RCNN_EXPORT std::string torch_version();

/// Of the CUDA compiler that made this build's kernels, "13.0.88"; empty in a CPU build.
RCNN_EXPORT std::string cuda_version();

/// The GPU architectures that this build carries kernels for, "sm_80 sm_90 compute_90"; empty in a CPU build.
RCNN_EXPORT std::string cuda_architectures();

/// Whether this build has CUDA kernels, LibTorch has CUDA, and a GPU answers now that the kernels run on.
RCNN_EXPORT bool has_cuda();

}  // namespace rcnn
