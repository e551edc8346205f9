#pragma once

#include <string_view>

namespace rcnn::data {

/// Whether a file or folder of this name is no part of what people keep in a folder: names that begin with a
/// dot (hidden files and folders, and macOS's `._img1.png` beside `img1.png`), and the folders that
/// unzipping, file servers, notebooks and disks themselves have. Folders that are gone through pass over
/// them; what the user names is taken.
inline bool is_passed_over(std::string_view name) {
  const bool is_way = name == "." || name == "..";
  return (name.starts_with('.') && !is_way) || name == "__MACOSX" || name == "@eaDir" ||
         name == "lost+found" || name == "System Volume Information" || name == "$RECYCLE.BIN";
}

}  // namespace rcnn::data
