#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <rcnn/export.h>

namespace rcnn::config {

/// Whether `name` ("backbone.body.layer1.0.conv1.weight") is one that `pattern` means: * stands for anything,
/// dots and nothing included.
RCNN_EXPORT bool matches(std::string_view pattern, std::string_view name);

/// Whether one of the names is one that `pattern` means.
RCNN_EXPORT bool matches_any(std::string_view pattern, std::span<const std::string> names);

/// Whether one of the patterns means the name.
RCNN_EXPORT bool any_matches(std::span<const std::string> patterns, std::string_view name);

/// "; did you mean X?" for a pattern that means none of `names`: the nearest of them and of what a part of
/// them begins with ("rpn.*"); empty when none is near.
RCNN_EXPORT std::string nearest_pattern(std::string_view pattern, const std::vector<std::string>& names);

}  // namespace rcnn::config
