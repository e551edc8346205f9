#include <sstream>

#include <torch/cuda.h>
#include <torch/version.h>

#include <rcnn/version.h>

namespace rcnn {

std::string version() {
  return RCNN_VERSION;
}

std::string torch_version() {
  return TORCH_VERSION;
}

std::string cuda_architectures() {
#ifdef RCNN_HAS_CUDA
  // CMake's words: "80-real" is machine code, "90-virtual" PTX, "90" both.
  std::istringstream list(RCNN_CUDA_ARCHITECTURES);
  std::string words;
  for (std::string item; list >> item;) {
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
#ifdef RCNN_HAS_CUDA
  return torch::cuda::is_available();
#else
  return false;
#endif
}

}  // namespace rcnn
