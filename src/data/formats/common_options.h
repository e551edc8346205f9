#pragma once

#include <rcnn/data/options.h>

namespace rcnn::data {

/// The options of one format's reader with what all formats have in common filled in.
template <class FormatOptions>
FormatOptions with_common_options(FormatOptions format, const DataOptions& options,
                                  const SplitOptions& split) {
  format.classes = options.classes;
  format.bad_boxes = options.bad_boxes;
  format.bad_images = options.bad_images;
  format.limit = split.limit;
  format.max_megapixels = options.max_megapixels;
  return format;
}

}  // namespace rcnn::data
