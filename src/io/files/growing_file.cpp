#include "io/files/growing_file.h"

#include <utility>

#include <rcnn/io/files/atomic_file.h>

namespace rcnn::io {

GrowingFile::GrowingFile(std::filesystem::path file, std::string_view body, std::string_view end,
                         FileSystem& files)
    : file_(std::move(file), body.size() + end.size(), files) {
  append(body, end);
}

void GrowingFile::append(std::string_view bytes, std::string_view end) {
  std::string text(bytes);
  text += end;
  try {
    file_.write(body_, text);
  } catch (const WriteError&) {
    file_.write(body_, end_);  // over bytes that the file has already
    file_.truncate(body_ + end_.size());
    throw;
  }
  body_ += bytes.size();
  end_ = end;
}

void GrowingFile::sync() {
  file_.sync();
  file_.sync_name();
}

}  // namespace rcnn::io
