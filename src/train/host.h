#pragma once

#include <climits>
#include <string>

#include <unistd.h>

namespace rcnn::train {

/// This machine's name.
inline std::string host() {
  char name[HOST_NAME_MAX + 1] = {};
  return gethostname(name, HOST_NAME_MAX) == 0 ? name : "localhost";
}

}  // namespace rcnn::train
