#include <algorithm>
#include <string_view>

#include <torch/version.h>

#include <rcnn/version.h>

#include "device.h"

namespace rcnn {

std::string version() {
  return RCNN_VERSION;
}

std::string torch_version() {
  return TORCH_VERSION;
}

std::string cuda_version() {
#ifdef RCNN_HAS_CUDA
  return RCNN_CUDA_VERSION;
#else
  return "";
#endif
}

std::string cuda_architectures() {
#ifdef RCNN_HAS_CUDA
  // CMake's words: "80-real" is machine code, "90-virtual" PTX, "90" both.
  std::string_view list(RCNN_CUDA_ARCHITECTURES);
  std::string words;
  while (!list.empty()) {
    const std::string item(list.substr(0, list.find(' ')));
    list.remove_prefix(std::min(item.size() + 1, list.size()));
    const auto dash = item.find('-');
    const std::string number = item.substr(0, dash);
    const std::string kind = dash == std::string::npos ? "" : item.substr(dash);
    if (kind != "-virtual") words += " sm_" + number;
    if (kind != "-real") words += " compute_" + number;
  }
  return words.empty() ? words : words.substr(1);
#else
  return "";
#endif
}

bool has_cuda() {
  const auto gpu = cuda_device();
  return gpu && run_on(cuda_architectures(), *gpu);
}

}  // namespace rcnn
