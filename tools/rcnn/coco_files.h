#pragma once

#include <rcnn/data/formats/coco/coco_file.h>
#include <rcnn/eval/input/coco_input.h>

namespace rcnn::tools {

/// An instances file as the evaluation takes it.
eval::CocoAnnotations to_annotations(const data::CocoFile& file);

/// A list of results as the evaluation takes it.
eval::CocoResults to_results(data::CocoResultList list);

}  // namespace rcnn::tools
