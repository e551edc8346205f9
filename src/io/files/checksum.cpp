#include "io/files/checksum.h"

#include <spdlog/fmt/fmt.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace rcnn::io {

struct Checksum::State {
  XXH3_state_t xxh;
};

Checksum::Checksum() : state_(std::make_unique<State>()) {
  XXH3_64bits_reset(&state_->xxh);
}

Checksum::~Checksum() = default;

void Checksum::add(std::string_view bytes) {
  XXH3_64bits_update(&state_->xxh, bytes.data(), bytes.size());
}

std::string Checksum::digits() const {
  return fmt::format("{:016x}", XXH3_64bits_digest(&state_->xxh));
}

std::optional<size_t> find_checksum_digits(std::string_view header, std::string_view key,
                                           std::string_view value) {
  const std::string begin = fmt::format("\"{}\":\"", key);
  const size_t found = header.find(fmt::format("{}{}\"", begin, value));
  if (found == std::string_view::npos) return std::nullopt;
  return found + begin.size() + Checksum::kPrefix.size();
}

}  // namespace rcnn::io
