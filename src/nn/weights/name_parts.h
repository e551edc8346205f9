#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace rcnn::nn {

/// The first words of a dotted name: "rpn.head" of "rpn.head.conv.bias" for two.
std::string_view first_words(std::string_view name, int count);

/// Names by the module that their first three parts tell: backbone.body.layer1, roi_heads.box_head.fc6,
/// rpn.head.conv.
std::map<std::string, std::vector<std::string>> by_part(const std::vector<std::string>& names);

}  // namespace rcnn::nn
