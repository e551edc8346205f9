#pragma once

#include <filesystem>
#include <span>

#include <rcnn/data/annotated_part.h>
#include <rcnn/data/formats/format.h>
#include <rcnn/data/problems.h>

namespace rcnn::data {

/// Writes Annotations/, JPEGImages/, a list for each part in ImageSets/Main/, and classes.txt, which keeps
/// the categories' ids. An image's id is its file name without the ending, with the folders in it; the ending
/// stays where it alone tells two images apart. See Format::write.
void write_voc(const std::filesystem::path& folder, std::span<const AnnotatedPart> parts, ImageFiles images,
               Problems& problems);

}  // namespace rcnn::data
