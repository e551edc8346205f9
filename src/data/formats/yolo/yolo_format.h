#pragma once

#include <rcnn/data/formats/format.h>

namespace rcnn::data {

/// YOLO's text files, for the table of formats: labels/NAME.txt for images/NAME.jpg, or NAME.txt beside the
/// image, with lines as YoloLines has them. The parts are those of a data.yaml or an obj.data, folders named
/// train, val, valid, test and the like, or else one called "all"; and every text at the top whose first line
/// is the path of an image, NAME.txt, is the part NAME, in the place of a folder of this name: paths one a
/// line, from the list's folder. Images that no file of labels belongs to are images of no object.
Format yolo_format();

}  // namespace rcnn::data
