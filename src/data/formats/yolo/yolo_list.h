#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <rcnn/data/options.h>
#include <rcnn/data/problems.h>

#include "data/formats/yolo/yolo_files.h"

namespace rcnn::data {

/// Whether a text is a list of images, train.txt: paths one a line, of which the first ends as an image does.
bool is_image_list(std::string_view head);

/// The images that a list names, in its order, each once. A path starts from the list's folder or from the
/// root of `files`; where nothing lies there, for the list comes from another machine or program, the longest
/// of its ends that leads to an image counts ("/content/data/obj/a.jpg": obj/a.jpg, then a.jpg), and then its
/// name alone if only one image has it. A warning counts those that the list has outside of the root. What is
/// not found is a bad image. Throws DataError for a list that
/// cannot be read.
std::vector<YoloImage> read_image_list(const std::string& list, const YoloFiles& files, Policy bad_images,
                                       Problems& problems);

/// Where a file lies that another one in the folder `from` names, found as above; without the last resort.
std::optional<std::string> find_named(std::string_view path, std::string_view from, const YoloFiles& files);

/// Whether such a path leads out of the root of `files`.
bool leads_outside(std::string_view path, std::string_view from, const YoloFiles& files);

}  // namespace rcnn::data
