#include <rcnn/device.h>
#include <rcnn/version.h>

#include "cuda_device.h"

namespace rcnn {

c10::Device parse_device(const std::string& name) {
  return choose_device(name, cuda_device(), cuda_architectures());
}

}  // namespace rcnn
