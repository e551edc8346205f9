#pragma once

#include <string>
#include <vector>

#include <rcnn/eval/input/coco_input.h>

#include "eval/input/id_places.h"

namespace rcnn::eval {

/// The first two steps of coco_input(). Afterwards each detection has the id of a listed image.
void join_images(const std::vector<CocoListedImage>& images, const IdPlaces& places, CocoResults& results,
                 const CocoInputOptions& options, std::vector<std::string>& warnings);

/// Afterwards each detection has the id of the listed category that it is of; those of none are left out.
void join_categories(const std::vector<Category>& categories, const IdPlaces& places, CocoResults& results,
                     const CocoInputOptions& options, std::vector<std::string>& warnings);

}  // namespace rcnn::eval
