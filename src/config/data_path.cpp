#include <cstdlib>

#include <rcnn/config/config.h>

namespace rcnn::config {

std::filesystem::path data_path(const std::filesystem::path& path) {
  const char* folder = std::getenv("RCNN_DATA");
  return std::filesystem::path(folder && *folder ? folder : "data") /
         path;  // an absolute path replaces the folder
}

}  // namespace rcnn::config
