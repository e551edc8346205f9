#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <rcnn/data/dataset.h>
#include <rcnn/data/options.h>
#include <rcnn/data/problems.h>
#include <rcnn/export.h>

namespace rcnn::data {

/// Reads one part of a data set into records, see open(): what is wrong is added to `problems`, and what
/// cannot be used is left out.
using OpenFormat = std::function<std::shared_ptr<Dataset>(const DataOptions& options,
                                                          const SplitOptions& split, Problems& problems)>;

/// Formats by the names that a config has for them, data.type. The built-in ones are listed in formats.cpp;
/// others are added at the start of main: `rcnn::data::formats().add("mine", open_mine);`
class RCNN_EXPORT Formats {
 public:
  explicit Formats(std::vector<std::pair<std::string, OpenFormat>> formats) : formats_(std::move(formats)) {}

  /// Throws std::invalid_argument when the name is taken.
  void add(const std::string& name, OpenFormat open);

  /// Null when there is no such format.
  const OpenFormat* find(const std::string& name) const;

  std::vector<std::string> names() const;

 private:
  std::vector<std::pair<std::string, OpenFormat>> formats_;
};

/// voc, coco
RCNN_EXPORT Formats& formats();

}  // namespace rcnn::data
