#include <system_error>

#include <rcnn/data/lies_inside.h>

#include "data/file_name.h"

namespace rcnn::data {

bool lies_inside(const std::filesystem::path& file, const std::filesystem::path& folder) {
  std::error_code no_file, no_folder;
  const auto true_file = std::filesystem::canonical(file, no_file);
  const auto true_folder = std::filesystem::canonical(folder, no_folder);
  return !no_file && !no_folder && lies_in(true_file, true_folder);
}

}  // namespace rcnn::data
