#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include <spdlog/fmt/fmt.h>

#include <rcnn/error.h>

#include "text.h"

namespace rcnn::data {

/// Throws DataError for a file whose first bytes are those of no JSON object or list, so that gigabytes of
/// something else are not read to find that out. Pipes are let through: what is read of them is gone.
inline void check_json_start(const std::filesystem::path& file) {
  std::error_code ignored;  // what is not there is for its reader to say
  if (!std::filesystem::is_regular_file(file, ignored)) return;
  constexpr size_t kLooked = 4096;
  std::string head(kLooked, '\0');
  std::ifstream in(file, std::ios::binary);
  in.read(head.data(), kLooked);
  head.resize(static_cast<size_t>(in.gcount()));
  std::string_view text = head;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  text = trimmed(text);
  if (text.empty() || text[0] == '{' || text[0] == '[' || text[0] == '/')
    return;  // a config may begin with a comment
  throw DataError(fmt::format("{}: is no JSON: it begins with the byte 0x{:02x}, not with {{ or [",
                              file.string(), static_cast<unsigned char>(text[0])));
}

}  // namespace rcnn::data
