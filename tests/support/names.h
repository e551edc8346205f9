#pragma once

#include <map>
#include <string>
#include <vector>

#include <rcnn/nn/weights/weights.h>

#include "tests/support/goldens.h"

namespace rcnn::test {

using Shapes = std::map<std::string, std::vector<int64_t>>;

/// Names and shapes of a module's state; those under `prefix`, without it.
inline Shapes shapes_of(const torch::nn::Module& module, const std::string& prefix = "") {
  Shapes shapes;
  for (const auto& [name, tensor] : nn::state_of(module)) {
    if (name.starts_with(prefix)) shapes[name.substr(prefix.size())] = tensor.sizes().vec();
  }
  return shapes;
}

/// Names and shapes of torchvision's model, from tests/oracle/make_names.py.
inline Shapes torchvision_shapes(const std::string& model, const std::string& prefix = "") {
  Shapes shapes;
  for (const auto& [name, shape] : golden("names.json").at(model).get<Shapes>()) {
    if (name.starts_with(prefix)) shapes[name.substr(prefix.size())] = shape;
  }
  return shapes;
}

}  // namespace rcnn::test
