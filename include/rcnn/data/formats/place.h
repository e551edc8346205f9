#pragma once

#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <rcnn/export.h>

namespace rcnn::data {

/// A folder of a data set, and the files in it.
struct RCNN_EXPORT Folder {
  std::string path = {};                ///< below the data set's: "" for itself, "train/images"
  std::vector<std::string> files = {};  ///< their names, sorted; a link to a file is one

  /// Of these files those with one of the endings (".xml"), in upper or lower case.
  std::vector<std::string> with_ending(std::initializer_list<std::string_view> endings) const;

  /// Those with the ending of an image that is read, see find_images().
  std::vector<std::string> images() const;

  bool has(std::string_view file) const;

  /// Where one of its files lies below the data set's folder: "train/images/a.jpg".
  std::string file(std::string_view name) const;
};

/// What a person names as a data set, a file or a folder, as formats look at it to recognise themselves.
/// Nothing is read before it is asked for, and nothing twice: the folder is listed once for all formats.
class RCNN_EXPORT Place {
 public:
  /// Throws DataError when there is no such file or folder.
  explicit Place(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  bool is_folder() const { return is_folder_; }

  /// The folder itself and all below it, sorted by path; none for a file. Links to folders are followed, but
  /// no folder is listed twice. Hidden files and folders, and those that systems leave behind (__MACOSX,
  /// .ipynb_checkpoints), are passed over. Throws DataError for a folder that cannot be listed, and
  /// for more than ten million files, which is no data set but a disk.
  const std::vector<Folder>& folders() const;

  /// The folder of this path, written exactly so or in other upper and lower case; null when there is none.
  const Folder* folder(std::string_view path) const;

  /// The first 64 KiB of a file: the named one, or one below the named folder; without a byte order mark.
  /// Empty where it cannot be read.
  std::string head() const;
  std::string head(const std::string& file) const;

 private:
  std::filesystem::path path_;
  bool is_folder_ = false;
  mutable std::optional<std::vector<Folder>> folders_;
};

}  // namespace rcnn::data
