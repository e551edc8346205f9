#pragma once

#include <filesystem>
#include <istream>
#include <vector>

#include <rcnn/error.h>
#include <rcnn/export.h>

namespace rcnn::data {

/// An image file that find_images() found.
struct FoundImage {
  std::filesystem::path path;      ///< as `inputs` lead to it: opens from the current folder
  std::filesystem::path relative;  ///< below the folder that was named, or the file's name alone
  bool operator==(const FoundImage&) const = default;
};

/// How far find_images() looks.
struct FindImagesOptions {
  bool recursive = false;        ///< folders with all folders below them
  std::istream* list = nullptr;  ///< what "-" stands for, if anything
};

/// The images that `inputs` name, in their order, each once however often it is named:
/// - files as they are;
/// - folders by what lies in them under an image ending (.jpg .jpeg .png .bmp .tif .tiff .webp, any case), in
///   the order of their paths. Links are followed, but no folder is gone through twice;
/// - where nothing has this very name, patterns as a shell's (glob(7)), `**` for any number of folders: files
///   by their image ending, and folders. Below the pattern's part without wildcards they are `relative`;
/// - "-" by a list of all these, one a line or ended by a NUL each; empty lines do not count.
///
/// Folders and wildcards pass over names that begin with a dot (macOS's `._a.jpg`, hidden folders) and the
/// folders
/// `__MACOSX` and `@eaDir`; what `inputs` name themselves is taken.
///
/// Throws DataError that names the input, in a list with its line, when it does not exist, cannot be listed
/// or holds no image; and for no input at all.
RCNN_EXPORT std::vector<FoundImage> find_images(const std::vector<std::filesystem::path>& inputs,
                                                const FindImagesOptions& options = {});

}  // namespace rcnn::data
