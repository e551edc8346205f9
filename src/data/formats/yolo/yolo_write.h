#pragma once

#include <filesystem>
#include <span>

#include <rcnn/data/annotated_part.h>
#include <rcnn/data/formats/format.h>
#include <rcnn/data/problems.h>

namespace rcnn::data {

/// Writes parts as ultralytics has them: images/PART, labels/PART, data.yaml and classes.txt. Parts called
/// train, val (also valid, validation) and test are those of data.yaml; any other is a list, PART.txt.
///
/// Lines are outlines where every object of the set has exactly one polygon and its box is that one's hull;
/// otherwise all are boxes. See Format::write for the rest.
void write_yolo(const std::filesystem::path& folder, std::span<const AnnotatedPart> parts, ImageFiles images,
                Problems& problems);

}  // namespace rcnn::data
