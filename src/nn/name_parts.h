#pragma once

#include <map>
#include <string>
#include <vector>

namespace rcnn::nn {

/// Names by the module that their first three parts tell: backbone.body.layer1, roi_heads.box_head.fc6,
/// rpn.head.conv.
std::map<std::string, std::vector<std::string>> by_part(const std::vector<std::string>& names);

}  // namespace rcnn::nn
