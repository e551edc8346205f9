#pragma once

#include <memory>
#include <string>
#include <vector>

#include <rcnn/data/dataset.h>
#include <rcnn/data/problems.h>
#include <rcnn/export.h>

namespace rcnn::data {

/// A data set that is part of a larger one.
struct NamedDataset {
  std::string name;
  std::shared_ptr<const Dataset> dataset;
};

/// The images of several data sets, one after the other, such as VOC's trainval of 2007 and of 2012.
///
/// Classes are matched by name: those of the first part, then what further parts have besides, with their own
/// ids where these are free. A class that a part lacks is a warning. An id of an image stays as it is unless
/// an earlier image has it: then the part's name and a slash come before it. One file in two parts is a
/// warning.
///
/// parts     at least one
RCNN_EXPORT std::shared_ptr<Dataset> join(const std::vector<NamedDataset>& parts, Problems& problems);

}  // namespace rcnn::data
