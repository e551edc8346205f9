#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <rcnn/export.h>

namespace rcnn::config {

/// Whether `name` ("backbone.body.layer1.0.conv1.weight") is one that `pattern` means: * stands for anything,
/// dots and nothing included.
RCNN_EXPORT bool matches(std::string_view pattern, std::string_view name);

/// "; did you mean X?" for a pattern that means none of `names`: the nearest of them and of what a part of
/// them begins with ("rpn.*"); empty when none is near.
RCNN_EXPORT std::string nearest_pattern(std::string_view pattern, const std::vector<std::string>& names);

}  // namespace rcnn::config
