#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <rcnn/data/formats/coco_file.h>
#include <rcnn/data/problems.h>
#include <rcnn/data/tools/locate.h>
#include <rcnn/export.h>

namespace rcnn::data {

/// One part of a data set as COCO's lists, whatever files it comes from: the common ground of conversions.
/// Boxes are as they stand in the files, also those that a training would drop.
struct AnnotatedPart {
  std::string name;
  CocoFile content;              ///< with details; the file names are relative to `images`
  std::filesystem::path images;  ///< a folder
};

/// Reads the annotations of parts of one data set. VOC's corners become x = xmin - 1, y = ymin - 1, width =
/// xmax - x, height = ymax - y, to a millionth of a pixel; "difficult" becomes a crowd, and the attribute
/// that it was difficult; an object's other texts (pose, truncated) become attributes; its parts are left
/// out, with a warning. An image's id is that of its file when that is a number in all of them, otherwise its
/// place in the sorted ids. Categories have the ids in ROOT/classes.txt (see read_categories()), those not
/// listed there follow by name. What is wrong is added to `problems`. Throws DataError for what cannot be
/// read at all.
RCNN_EXPORT std::vector<AnnotatedPart> read_parts(std::span<const DatasetPart> parts, Problems& problems);

/// What a converted data set has for images: links to the old ones, or copies.
enum class ImageFiles { link, copy };

/// Writes annotations/instances_<part>.json for each part, and the images as the folder <part>: a link to
/// theirs, or copies. Throws ConfigError unless `output` is new or empty, DataError when the disk refuses.
RCNN_EXPORT void write_coco(const std::filesystem::path& output, std::span<const AnnotatedPart> parts,
                            ImageFiles images);

/// Writes Pascal VOC's layout, where each part is a list in ImageSets/Main, images are links or copies, and
/// classes.txt keeps the categories' ids. What VOC's files have no place for is kept in elements of its own,
/// so that read_parts() gives back the same ids, boxes (to a millionth of a pixel), areas, crowds, outlines
/// and attributes: <id>, <area>, <iscrowd>, <segmentation>. Throws ConfigError unless `output` is new or
/// empty, DataError for two images of one name and endings that VOC does not have, before anything is
/// written, and when the disk refuses.
RCNN_EXPORT void write_voc(const std::filesystem::path& output, std::span<const AnnotatedPart> parts,
                           ImageFiles images);

}  // namespace rcnn::data
