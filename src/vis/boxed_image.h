#pragma once

#include <string>
#include <vector>

#include <rcnn/vis/report/report.h>

namespace rcnn::vis {

/// A picture with its boxes as a <figure>: a JPEG, reduced to fit into 640 x 640 pixels, under an SVG picture
/// of the boxes and their labels; below it the name, the remark and a list of all boxes. Verdicts differ in
/// colour, kind of line and words. Throws as to_html() does.
std::string boxed_image(const ReportImage& image, const std::vector<std::string>& classes);

/// What the lines mean, with a switch for each verdict that `images` have.
std::string boxed_image_legend(const std::vector<ReportImage>& images);

}  // namespace rcnn::vis
