#pragma once

#include <stdexcept>
#include <utility>

#include <spdlog/fmt/fmt.h>

namespace rcnn::eval {

/// Throws std::invalid_argument with this message unless the caller's argument fits.
template <class... Values>
void require(bool fits, fmt::format_string<Values...> message, Values&&... values) {
  if (!fits) throw std::invalid_argument(fmt::format(message, std::forward<Values>(values)...));
}

}  // namespace rcnn::eval
