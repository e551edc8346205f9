#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <rcnn/config/config.h>
#include <rcnn/error.h>

/// A config, and behind a zero byte an override; either an error, or a document whose dump is
/// read to the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using rcnn::config::Config;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const size_t zero = bytes.find('\0');
  std::vector<std::string> overrides;
  if (zero != std::string_view::npos) overrides.emplace_back(bytes.substr(zero + 1));
  try {
    const auto config = Config::parse(bytes.substr(0, zero), "a.json", overrides);
    const auto text = config.dump();
    if (Config::parse(text, "a.json").dump() != text) std::abort();
    for (const auto& entry : config.entries()) {
      if (entry.origin.empty()) std::abort();
    }
  } catch (const rcnn::ConfigError& error) {
    if (std::strlen(error.what()) == 0) std::abort();
  }
  return 0;
}
