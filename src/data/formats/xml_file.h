#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <pugixml.hpp>

namespace rcnn::data {

/// Why an XML file cannot be used.
struct XmlFault {
  std::string what;   ///< of a kind: "no valid XML"
  std::string where;  ///< in the file: "line 3: Start-end tags mismatch"; may be empty
};

/// Reads an annotation file. Its encoding is that of its byte order mark, or the declared one (GBK, Big5,
/// windows-1252, whatever the system's iconv knows), or else UTF-8; all texts of `document` are UTF-8.
/// A DOCTYPE is refused: an entity's text may be another file's, and as long as it likes.
/// A file of more than `most` bytes is refused unread.
std::optional<XmlFault> read_xml(const std::filesystem::path& file, pugi::xml_document& document,
                                 size_t most = 64'000'000);

/// Whether XML 1.0 can hold a text: UTF-8 without control characters other than tabs and ends of lines.
bool is_xml_text(std::string_view text);

}  // namespace rcnn::data
