#include "vis/report/html.h"

#include <cmath>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

namespace rcnn::vis {
namespace {

using Json = nlohmann::json;
constexpr const char* kReplacement = "\xef\xbf\xbd";  // U+FFFD

std::string as_utf8(std::string_view text) {
  const auto quoted = Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
  return Json::parse(quoted).get<std::string>();
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : as_utf8(text)) {
    const auto byte = static_cast<uint8_t>(c);
    if (c == '&') {
      result += "&amp;";
    } else if (c == '<') {
      result += "&lt;";
    } else if (c == '>') {
      result += "&gt;";
    } else if (c == '"') {
      result += "&quot;";
    } else if (c == '\'') {
      result += "&#39;";
    } else if ((byte < ' ' && c != '\n' && c != '\t') || byte == 0x7f) {
      result += kReplacement;
    } else {
      result += c;
    }
  }
  return result;
}

std::string fixed(double value, int digits) {
  return std::isfinite(value) ? fmt::format("{:.{}f}", value, digits) : "–";
}

std::string grouped(int64_t count) {
  const auto digits = std::to_string(count);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    const bool between = i > 0 && digits[i - 1] != '-';
    if (between && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string counted(int64_t count, std::string_view what) {
  return fmt::format("{} {}{}", grouped(count), what, count == 1 ? "" : "s");
}

std::string table_head(std::string_view looks, const std::vector<std::string>& columns,
                       std::string_view label) {
  std::string html;
  if (!label.empty()) {
    html = fmt::format("<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">", label);
  }
  html += fmt::format("<table class=\"{}\"><thead><tr>", looks);
  for (const auto& column : columns) html += "<th scope=\"col\">" + column;
  return html + "</thead>\n<tbody>";
}

std::string base64(std::span<const uint8_t> bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const auto group = bytes.subspan(i, std::min<size_t>(3, bytes.size() - i));
    uint32_t bits = 0;
    for (size_t j = 0; j < 3; ++j) bits = bits << 8 | (j < group.size() ? group[j] : 0u);
    for (size_t j = 0; j < 4; ++j) text += j <= group.size() ? kDigits[bits >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

}  // namespace rcnn::vis
