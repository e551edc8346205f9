#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace rcnn::data {

// What is odd about an image file that is used nonetheless: the same words for all files of a kind.
inline constexpr std::string_view kSeveralImages =
    "an image file of several pages or frames; the first one is used";
inline constexpr std::string_view kSpareBytes =
    "a JPEG with spare bytes before its end; its pixels are whole";

/// Collects what read_image() remarks in this thread as long as it lives. Without one, each kind is logged
/// once a process, with the first file.
class ImageRemarks {
 public:
  ImageRemarks();
  ~ImageRemarks();
  ImageRemarks(const ImageRemarks&) = delete;
  ImageRemarks& operator=(const ImageRemarks&) = delete;

  void add(std::string_view remark) { remarks_.emplace_back(remark); }
  std::vector<std::string> take() { return std::move(remarks_); }

 private:
  ImageRemarks* const outer_;
  std::vector<std::string> remarks_;
};

/// Says it of a file, to whom it may concern.
void remark(const std::filesystem::path& file, std::string_view what);

/// Counts it as logged: what is reported of all files of a data set at once need not be said again.
void mark_reported(std::string_view what);

}  // namespace rcnn::data
