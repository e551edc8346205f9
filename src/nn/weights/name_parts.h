#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <rcnn/nn/weights/weights.h>

namespace rcnn::nn {

/// Whether a name begins so.
inline bool has_prefix(const TensorMap& tensors, const std::string& prefix) {
  const auto found = tensors.lower_bound(prefix);
  return found != tensors.end() && found->first.starts_with(prefix);
}

/// How many of format(first), format(first + 1), ... begin a name.
template <class Format>
int count_prefixes(const TensorMap& tensors, int first, Format format) {
  int count = 0;
  while (has_prefix(tensors, format(first + count))) ++count;
  return count;
}

/// The first words of a dotted name: "rpn.head" of "rpn.head.conv.bias" for two.
std::string_view first_words(std::string_view name, int count);

/// Names by the module that their first three parts tell: backbone.body.layer1, roi_heads.box_head.fc6,
/// rpn.head.conv.
std::map<std::string, std::vector<std::string>> by_part(const std::vector<std::string>& names);

}  // namespace rcnn::nn
