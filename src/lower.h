#pragma once

#include <string>

namespace rcnn {

/// A to Z in lower case; every other byte as it is, whatever the locale says of it.
inline std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

}  // namespace rcnn
