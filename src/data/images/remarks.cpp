#include "data/images/remarks.h"

#include <mutex>
#include <set>

#include <spdlog/fmt/fmt.h>

#include <rcnn/log.h>

namespace rcnn::data {
namespace {

thread_local ImageRemarks* remark_collector = nullptr;

/// Whether a kind is said for the first time in this process.
bool is_first(std::string_view what) {
  static std::mutex mutex;
  static std::set<std::string, std::less<>> said;
  const std::scoped_lock lock(mutex);
  return said.emplace(what).second;
}

}  // namespace

ImageRemarks::ImageRemarks() : outer_(remark_collector) {
  remark_collector = this;
}

ImageRemarks::~ImageRemarks() {
  remark_collector = outer_;
}

void remark(const std::filesystem::path& file, std::string_view what) {
  if (remark_collector != nullptr) {
    remark_collector->add(what);
  } else if (is_first(what)) {
    log::warn(fmt::format("{}: {} (said of the first such file alone)", file.string(), what));
  }
}

void mark_reported(std::string_view what) {
  is_first(what);
}

}  // namespace rcnn::data
