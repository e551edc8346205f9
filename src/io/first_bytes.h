#pragma once

#include <string>
#include <string_view>

namespace rcnn::io {

/// What a file that is no weight file looks like, from its bytes: "is a JPEG image", "is a web page (HTML or
/// XML): ...".
std::string describe_first_bytes(std::string_view file);

}  // namespace rcnn::io
