#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <string_view>

#include <rcnn/error.h>
#include <rcnn/export.h>
#include <rcnn/io/files/output_file.h>

namespace rcnn {

/// Hands out names below a folder for files that are called as something else is. No two of its names differ
/// in the case of ASCII letters alone, and none leads out of the folder.
class RCNN_EXPORT OutputFolder {
 public:
  /// `reserved` are names in the folder that it never hands out, `inputs` files that are read and never
  /// replaced. Nothing is made yet.
  OutputFolder(std::filesystem::path folder, const std::set<std::string>& reserved,
               std::set<io::FileId> inputs = {});

  /// A name below the folder, made of a relative path's: a/x.png and ".jpg" give a/x.jpg, or a/x_2.jpg where
  /// that is taken. Parts that lead upwards are left out, and names too long for a file system cut.
  std::filesystem::path name_of(const std::filesystem::path& wanted, std::string_view ending);

  /// Makes room for a file of such a name: the folders that it needs, and nothing in its place that would be
  /// written through: a link or another name of a file is removed. Returns the path to write to. Throws
  /// DataError where an input lies there, a folder, a device, a pipe or a socket, where a link below the
  /// folder leads out of it, and where the disk refuses.
  std::filesystem::path make_room(const std::filesystem::path& name);

  /// A word as the name of a folder or file: without a slash, control characters and a dot in front.
  static std::string file_name_of(std::string_view word);

 private:
  std::filesystem::path folder_;
  std::set<io::FileId> inputs_;
  std::set<std::string> files_, folders_;    // taken, in small letters
  std::set<std::filesystem::path> checked_;  // folders that are there
};

}  // namespace rcnn
