#pragma once

#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <torch/torch.h>

namespace rcnn::test {

/// tests/fixtures/<name>, written by a script in tests/oracle.
inline nlohmann::json golden(const std::string& name) {
  std::ifstream file(std::string(RCNN_FIXTURES "/") + name);
  if (!file) throw std::runtime_error("cannot open " RCNN_FIXTURES "/" + name);
  return nlohmann::json::parse(file);
}

/// {"shape": [...], "values": [...]}
inline at::Tensor golden_tensor(const nlohmann::json& json, at::ScalarType type = at::kFloat) {
  const auto values = json.at("values").get<std::vector<double>>();
  return torch::tensor(values, at::kDouble).to(type).view(json.at("shape").get<std::vector<int64_t>>());
}

}  // namespace rcnn::test
