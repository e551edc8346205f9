#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <rcnn/export.h>
#include <rcnn/types.h>

namespace rcnn {

/// What was found on one image.
struct ImageDetections {
  int64_t image_id = 0;
  std::string file_name;
  std::vector<Detection> detections;
};

/// Writes a list in COCO's result form, with names beside the numbers: {"image_id", "file_name",
/// "category_id", "category_name", "bbox": [x, y, width, height], "score"}. Throws DataError when the disk
/// refuses.
RCNN_EXPORT void write_results(const std::filesystem::path& file, const std::vector<ImageDetections>& images,
                               const std::vector<Category>& categories);

/// Writes a table with the columns file_name, class, class_id, score, x1, y1, x2, y2, one detection a line;
/// fields are quoted as RFC 4180 says where they need it, numbers the shortest that read back the same.
/// Throws DataError when the disk refuses.
RCNN_EXPORT void write_csv(const std::filesystem::path& file, const std::vector<ImageDetections>& images,
                           const std::vector<Category>& categories);

/// The same two, written image by image: what is in the file is a whole list, or whole lines, at every
/// moment, so that a program that is killed leaves all that it added. An older file of the name stays until
/// the first image is there, or finish().
class RCNN_EXPORT ResultsFile {
 public:
  enum class Form { json, csv };  ///< of write_results(), of write_csv()

  /// Tries whether there can be such a file. Throws DataError.
  ResultsFile(std::filesystem::path file, Form form, const std::vector<Category>& categories);
  ~ResultsFile();
  ResultsFile(const ResultsFile&) = delete;
  ResultsFile& operator=(const ResultsFile&) = delete;

  /// Throws DataError when the disk refuses; then the file holds what was there before.
  void add(const ImageDetections& image);

  /// Waits until all of it is on the disk.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rcnn
