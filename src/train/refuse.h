#pragma once

#include <initializer_list>
#include <string_view>

#include <spdlog/fmt/fmt.h>

#include <rcnn/config/node.h>

namespace rcnn::train {

/// Throws ConfigError when one of `keys` is there, which has no meaning with `choice` ("solver adamw").
inline void refuse(const config::Node& node, std::initializer_list<std::string_view> keys,
                   std::string_view choice) {
  for (const auto key : keys) {
    if (node.has(key)) {
      throw node.error(key, fmt::format("has no meaning with {}; null takes an inherited one away", choice));
    }
  }
}

}  // namespace rcnn::train
