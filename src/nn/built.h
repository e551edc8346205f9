#pragma once

#include <exception>
#include <string_view>

#include <spdlog/fmt/fmt.h>

#include <rcnn/config/node.h>
#include <rcnn/error.h>

namespace rcnn::nn {

/// What `make` makes of model.`part`. Throws MemoryError with what to lower, `sizes`, when there is no memory
/// for it.
template <class Make>
auto built(const config::Node& model, std::string_view part, std::string_view sizes, Make make) {
  try {
    return make();
  } catch (const std::exception& error) {
    if (!is_out_of_memory(error)) throw;
    throw MemoryError(
        model.error(part, fmt::format("memory ran out while it was built; lower {}", sizes)).what());
  }
}

}  // namespace rcnn::nn
