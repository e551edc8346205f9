#include "data/formats/xml_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include <iconv.h>
#include <spdlog/fmt/fmt.h>

#include "data/paths.h"
#include "text.h"
#include "text_file.h"
#include "utf8.h"

namespace rcnn::data {
namespace {

using std::string_view_literals::operator""sv;

int64_t line_at(std::string_view text, size_t position) {
  const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(position, text.size()));
  return std::count(text.begin(), end, '\n') + 1;
}

/// The encoding that the first bytes are in whatever they say; how many of them are the mark.
struct WideEncoding {
  std::string_view first_bytes;
  const char* name;
  size_t mark;
};
constexpr std::array kWideEncodings = {
    WideEncoding{"\xff\xfe\0\0"sv, "UTF-32LE", 4}, WideEncoding{"\0\0\xfe\xff"sv, "UTF-32BE", 4},
    WideEncoding{"\xff\xfe"sv, "UTF-16LE", 2},     WideEncoding{"\xfe\xff"sv, "UTF-16BE", 2},
    WideEncoding{"<\0\0\0"sv, "UTF-32LE", 0},      WideEncoding{"\0\0\0<"sv, "UTF-32BE", 0},
    WideEncoding{"<\0"sv, "UTF-16LE", 0},          WideEncoding{"\0<"sv, "UTF-16BE", 0}};

/// What the XML declaration says, in lower case; empty when it says nothing.
std::string declared_encoding(std::string_view text) {
  if (!text.starts_with("<?xml")) return "";
  text = text.substr(0, text.find("?>"));
  const size_t key = text.find("encoding");
  if (key == std::string_view::npos) return "";
  text.remove_prefix(key);
  const size_t quote = text.find_first_of("\"'");
  if (quote == std::string_view::npos) return "";
  const auto rest = text.substr(quote + 1);
  return lower(std::string(rest.substr(0, rest.find(text[quote]))));
}

/// What files mean that declare it: programs write the larger sets under the names of the smaller ones, which
/// is what browsers read them by, too.
std::string meant_encoding(const std::string& declared) {
  if (declared == "gb2312" || declared == "gbk") return "gb18030";
  if (declared == "shift_jis" || declared == "shift-jis" || declared == "sjis") return "cp932";
  if (declared == "euc-kr" || declared == "ks_c_5601-1987") return "cp949";
  return declared;
}

/// Files that are read as bytes cannot be of two bytes a character, whatever a program copied there.
bool means_utf8(const std::string& declared) {
  return declared.empty() || declared == "us-ascii" || declared == "ascii" || declared.starts_with("utf-") ||
         declared == "utf8" || declared == "unicode";
}

class Utf8Converter {
 public:
  explicit Utf8Converter(const std::string& from) : handle_(::iconv_open("UTF-8", from.c_str())) {}
  ~Utf8Converter() {
    if (is_known()) ::iconv_close(handle_);
  }
  Utf8Converter(const Utf8Converter&) = delete;
  Utf8Converter& operator=(const Utf8Converter&) = delete;

  bool is_known() const { return handle_ != reinterpret_cast<iconv_t>(-1); }

  /// Appends the text in UTF-8, as far as it is one; returns whether all of it is.
  bool convert(std::string text, std::string& utf8) {
    char* in = text.data();
    size_t left = text.size();
    while (left > 0) {
      std::array<char, 16384> block;
      char* out = block.data();
      size_t room = block.size();
      const bool failed = ::iconv(handle_, &in, &left, &out, &room) == static_cast<size_t>(-1);
      utf8.append(block.data(), block.size() - room);
      if (failed && errno != E2BIG) return false;
    }
    return true;
  }

 private:
  iconv_t handle_;
};

std::optional<XmlFault> to_utf8(const std::string& from, std::string& text) {
  constexpr const char* kAdvice = "save it as UTF-8";
  const bool is_name =
      std::ranges::all_of(from, [](char c) { return c != '/' && c != ',' && c > ' ' && c <= '~'; });
  Utf8Converter converter(is_name ? from : "none");
  if (!converter.is_known())
    return XmlFault{fmt::format("a declared encoding that is not known; {}", kAdvice), from};
  std::string utf8;
  if (!converter.convert(text, utf8)) {
    return XmlFault{fmt::format("not in the encoding that it has by its first bytes; {}", kAdvice),
                    fmt::format("line {} is no {}", line_at(utf8, utf8.size()), from)};
  }
  text = std::move(utf8);
  return std::nullopt;
}

/// Makes it UTF-8.
std::optional<XmlFault> make_utf8(std::string& text) {
  for (const auto& wide : kWideEncodings) {
    if (!text.starts_with(wide.first_bytes)) continue;
    text.erase(0, wide.mark);
    return to_utf8(wide.name, text);
  }
  text = without_byte_order_mark(std::move(text));
  const auto declared = declared_encoding(text);
  if (!means_utf8(declared)) return to_utf8(meant_encoding(declared), text);
  if (const auto why = why_no_utf8(text); !why.empty()) {
    return XmlFault{
        "not in UTF-8, and no other encoding is declared; save it as UTF-8, or declare what it is "
        "in (<?xml version=\"1.0\" encoding=\"GBK\"?>)",
        why};
  }
  return std::nullopt;
}

/// Where a reference like &#xD800; is of no character; the parser writes the bytes all the same.
std::optional<size_t> impossible_reference(std::string_view text) {
  for (size_t place = text.find("&#"); place != std::string_view::npos; place = text.find("&#", place + 2)) {
    auto digits = text.substr(place + 2, text.find(';', place) - place - 2);
    const bool hex = digits.starts_with('x');
    if (hex) digits.remove_prefix(1);
    uint32_t code = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), code, hex ? 16 : 10);
    if (end == digits.data()) continue;  // no reference, for the parser neither
    const bool surrogate = code >= 0xd800 && code <= 0xdfff;
    if (error != std::errc() || code == 0 || surrogate || code > 0x10ffff) return place;
  }
  return std::nullopt;
}

}  // namespace

std::optional<XmlFault> read_xml(const std::filesystem::path& file, pugi::xml_document& document,
                                 size_t most) {
  std::string text;
  try {
    text = read_text_file(file, most);
  } catch (const TextFileError& error) {
    return XmlFault{"an annotation file that cannot be read", error.what()};
  }
  if (auto fault = make_utf8(text)) return fault;
  const auto invalid = [&](size_t place, const char* why) {
    return XmlFault{"no valid XML", fmt::format("line {}: {}", line_at(text, place), why)};
  };
  if (const auto place = impossible_reference(text)) return invalid(*place, "&#...; of no character");
  const auto result = document.load_buffer(text.data(), text.size(),
                                           pugi::parse_default | pugi::parse_doctype, pugi::encoding_utf8);
  if (!result) return invalid(static_cast<size_t>(result.offset), result.description());
  const auto is_doctype = [](const pugi::xml_node& node) { return node.type() == pugi::node_doctype; };
  if (document.find_child(is_doctype))
    return XmlFault{"a DOCTYPE, which annotation files do not have; remove it", ""};
  return std::nullopt;
}

bool is_xml_text(std::string_view text) {
  for (size_t position = 0; position < text.size();) {
    const auto code = next_code_point(text, position);
    if (!code || *code == 0xfffe || *code == 0xffff) return false;
    if (*code < 0x20 && *code != '\t' && *code != '\n' && *code != '\r') return false;
  }
  return true;
}

}  // namespace rcnn::data
