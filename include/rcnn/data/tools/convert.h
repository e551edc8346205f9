#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <rcnn/data/annotated_part.h>
#include <rcnn/data/formats/format.h>
#include <rcnn/data/problems.h>
#include <rcnn/data/tools/locate.h>
#include <rcnn/export.h>

namespace rcnn::data {

/// Reads the annotations of parts of one data set, with all details, as the common ground of conversions. The
/// parts get the same categories: theirs together, by name. Images that have names instead of numbers get the
/// numbers that the names are if all are numbers, otherwise their places in the sorted names of all parts; so
/// do their objects. What is wrong is added to `problems`: images that are not there, too. Throws DataError
/// for what cannot be read at all.
RCNN_EXPORT std::vector<AnnotatedPart> read_parts(std::span<const DatasetPart> parts, Problems& problems);

/// Writes parts as a data set of the format `to`, a name in formats().written(), in a new folder: whole, or
/// not at all. What the format cannot hold is added to `problems` as warnings. Throws ConfigError unless
/// `output` is new or empty, DataError with everything that the format would get wrong, and when the disk
/// refuses.
RCNN_EXPORT void convert(std::span<const AnnotatedPart> parts, const std::string& to,
                         const std::filesystem::path& output, ImageFiles images, Problems& problems);

}  // namespace rcnn::data
