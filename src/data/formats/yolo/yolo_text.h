#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "data/paths.h"

namespace rcnn::data {

/// Ends of lines in the texts of a YOLO data set: those of Unix, of Windows, and of old Macintoshes.
inline constexpr std::string_view kLineEnds = "\r\n";

/// The same text with a line feed for each carriage return that none follows. Lines keep their numbers.
inline std::string with_line_feeds(std::string text) {
  for (size_t at = text.find('\r'); at != std::string::npos; at = text.find('\r', at + 1)) {
    if (at + 1 == text.size() || text[at + 1] != '\n') text[at] = '\n';
  }
  return text;
}

/// read_text() with line feeds.
inline std::string read_lines(const std::filesystem::path& file, size_t most) {
  return with_line_feeds(read_text(file, most));
}

}  // namespace rcnn::data
