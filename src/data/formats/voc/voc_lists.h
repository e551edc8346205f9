#pragma once

#include <map>
#include <string>
#include <vector>

#include <rcnn/data/formats/place.h>
#include <rcnn/data/problems.h>

#include "data/formats/voc/voc_layout.h"

namespace rcnn::data {

/// The annotation files of a part by their ids, which are their paths below part.annotations without ".xml".
/// Their paths start from the place.
using VocFiles = std::map<std::string, std::string>;
VocFiles annotation_files(const Place& place, const VocPart& part);

/// The ids of a part: those of its lists, in their order and each once, or, without lists, of all files.
///
/// A line of a list is an id. It may have the second column of lists of one class, the image's ending, and a
/// path before it. An id that has no file is returned, too. Lines that lead out of the data set and ids that
/// come twice in one list are bad images; they are left out. Throws DataError for a list that cannot be read.
std::vector<std::string> ids_of(const Place& place, const VocPart& part, const VocFiles& files,
                                Policy bad_images, Problems& problems);

}  // namespace rcnn::data
