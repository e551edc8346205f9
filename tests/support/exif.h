#pragma once

#include <string>

namespace rcnn {

/// A JPEG with a segment APP1 after its start.
inline std::string with_app1(const std::string& jpeg, const std::string& content) {
  const size_t length = content.size() + 2;
  return jpeg.substr(0, 2) + "\xff\xe1" + char(length >> 8) + char(length) + content + jpeg.substr(2);
}

/// The content of an APP1 that says how an image is to be shown, 1 to 8.
inline std::string exif(char orientation) {
  using namespace std::string_literals;
  std::string content = "Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0"s;
  content += orientation;
  return content.append(6, '\0');
}

}  // namespace rcnn
