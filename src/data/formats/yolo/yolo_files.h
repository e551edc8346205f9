#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <rcnn/data/formats/place.h>

namespace rcnn::data {

/// An image of a YOLO data set, and where its labels lie.
struct YoloImage {
  std::string file;   ///< below YoloFiles::root(), until a part makes it one below its own folder
  std::string label;  ///< below YoloFiles::root(); where they should be if there are none
  bool has_label = false;
};

/// Whether a folder of this name has its labels in a folder "labels" in its place: "images", in any case of
/// letters, and for darknet also VOC's "JPEGImages".
bool is_images_folder(std::string_view name);

/// The path of the labels of an image, or of a folder of images: with labels/ for the last images/ in it, or
/// for another such folder where there is none. Nothing where there is neither.
std::optional<std::string> labels_path(std::string_view images);

/// Files that a YOLO data set is made of, in folders that are listed once.
class YoloFiles {
 public:
  /// All below a folder.
  explicit YoloFiles(const Place& place);

  /// Those below one folder of images, and below the folder of its labels where that lies beside it.
  static YoloFiles of(const std::filesystem::path& images);

  const std::filesystem::path& root() const { return root_; }
  const std::vector<Folder>& folders() const { return *folders_; }

  /// The folder of exactly this path; null when there is none.
  const Folder* folder(std::string_view path) const;

  /// The images of one of the folders, with their labels: from the folder of labels that ultralytics would
  /// look in, and otherwise from beside them.
  std::vector<YoloImage> images_in(const Folder& folder) const;

  /// The same for one file of it.
  YoloImage image(const Folder& folder, const std::string& file) const;

  /// The folder of the labels of the images in a folder, where there is such a one.
  const Folder* labels_of(const Folder& folder) const;

 private:
  YoloFiles(std::filesystem::path root, std::vector<Folder> folders);
  YoloImage image(const Folder& folder, const std::string& file, const Folder* labels) const;

  std::filesystem::path root_;
  std::shared_ptr<const std::vector<Folder>> folders_;  // sorted by path
};

}  // namespace rcnn::data
