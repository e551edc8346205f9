#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace rcnn::nn {

/// Names by the module that their first three parts tell: backbone.body.layer1, roi_heads.box_head.fc6,
/// rpn.head.conv.
std::map<std::string, std::vector<std::string>> by_part(const std::vector<std::string>& names);

/// Of a parameter or of a part: whether it is in the RoI head's last layers, whose rows are the classes.
inline bool is_last_layer(std::string_view name) {
  return name.starts_with("roi_heads.box_predictor.");
}

}  // namespace rcnn::nn
