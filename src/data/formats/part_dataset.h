#pragma once

#include <memory>
#include <string>

#include <rcnn/data/annotated_part.h>
#include <rcnn/data/dataset.h>
#include <rcnn/data/options.h>
#include <rcnn/data/problems.h>

#include "data/paths.h"

namespace rcnn::data {

/// What the header of a part's image says, where the image can be used: its name stays in the folder of
/// images, its file can be read and is of the size that the annotations state. Otherwise null, and `problems`
/// has why.
const ImageInfo* usable_header(const AnnotatedPart& part, size_t image, const DataOptions& options,
                               MissingFiles& missing, Problems& problems);

/// What messages call an image: "a.jpg (image 7)" where it has a number.
std::string shown(const CocoImage& image);

/// What a training learns from a part: the chosen classes, the images that can be used, their boxes clipped
/// to them. See open(), which this is for every format that is read into an AnnotatedPart.
std::shared_ptr<Dataset> to_dataset(AnnotatedPart part, const DataOptions& options, const SplitOptions& split,
                                    Problems& problems);

/// Says of a class that was not chosen, as options.other_classes has it, how many objects it has, if any, and
/// where the first of them is, if anywhere.
void tell_other_class(const DataOptions& options, const std::string& name, int64_t objects,
                      const std::string& first, Problems& problems);

}  // namespace rcnn::data
