#include "io/written_tensor.h"

#include <spdlog/fmt/fmt.h>

#include <rcnn/error.h>

#include "io/refusal.h"
#include "utf8.h"

namespace rcnn::io {

void check_writable(const std::filesystem::path& file, const std::map<std::string, at::Tensor>& tensors,
                    std::optional<std::string_view> (*name_of)(at::ScalarType)) {
  for (const auto& [name, tensor] : tensors) {
    const auto refuse = [&, &name = name](const std::string& why) {
      throw WeightsError(
          fmt::format("{}: cannot be written: tensor {}: {}", file.string(), excerpt(name), why));
    };
    if (!is_utf8(name)) refuse("its name is not UTF-8");
    if (name_of(tensor.scalar_type())) continue;
    refuse(fmt::format("dtype {} is not supported by this format", at::toString(tensor.scalar_type())));
  }
}

uint64_t total_bytes(const std::map<std::string, at::Tensor>& tensors) {
  uint64_t bytes = 0;
  for (const auto& [name, tensor] : tensors) bytes += tensor.nbytes();
  return bytes;
}

}  // namespace rcnn::io
