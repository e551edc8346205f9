#pragma once

#include <string>
#include <string_view>

#include <rcnn/export.h>

namespace rcnn::io {

/// What a file is that people take for others, from its bytes: "is a JPEG image", "is a web page (HTML or
/// XML): ..."; empty where these are of no such file.
RCNN_EXPORT std::string known_first_bytes(std::string_view file);

/// How any other begins: "begins with the text "...""; "begins with the bytes ...".
RCNN_EXPORT std::string shown_first_bytes(std::string_view file);

/// What a file that is no weight file looks like.
std::string describe_first_bytes(std::string_view file);

}  // namespace rcnn::io
