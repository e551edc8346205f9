#include <rcnn/device.h>
#include <rcnn/version.h>

namespace rcnn {

c10::Device parse_device(const std::string& name) {
  if (name == "auto") return has_cuda() ? c10::DeviceType::CUDA : c10::DeviceType::CPU;
  if (name == "cpu") return c10::DeviceType::CPU;
  if (name != "cuda") throw ConfigError("device: unknown device '" + name + "'; known: auto, cpu, cuda");
  if (!has_cuda()) throw ConfigError("device: there is no usable CUDA device; use cpu or auto");
  return c10::DeviceType::CUDA;
}

}  // namespace rcnn
