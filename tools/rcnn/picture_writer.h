#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <rcnn/infer/detect_files.h>
#include <rcnn/infer/output_folder.h>

namespace rcnn::tools {

/// Draws what was found and writes it below the output folder, on a thread of its own: the network does not
/// wait for it unless it falls behind by a few images.
class PictureWriter {
 public:
  /// `pictures` are the images with boxes drawn on them, `crops` each object by itself, in
  /// crops/<class>/<name>_<number>.jpg. What is too wide or too high for a JPEG is a .png.
  struct Options {
    bool pictures = true, crops = false;
  };
  PictureWriter(OutputFolder& folder, const std::vector<Category>& categories, Options options);
  ~PictureWriter();  ///< what still waits is not written
  PictureWriter(const PictureWriter&) = delete;
  PictureWriter& operator=(const PictureWriter&) = delete;

  /// Queues one image, whose picture is named after `relative`; waits while too many are queued.
  void add(std::filesystem::path relative, FileResult result);

  /// Waits until all are written.
  void finish();

  /// Why some could not be written, a line each; each is told once. Throws when none can be written any more:
  /// for the disk refuses, or for an error that is no file's.
  std::vector<std::string> take_errors();

  /// Spent in drawing and writing.
  double seconds() const;

 private:
  struct Job {
    std::filesystem::path relative;
    FileResult result;
  };
  void work(const std::stop_token& stop);
  void write(const Job& job);
  void write_picture(const std::filesystem::path& wanted, const at::Tensor& picture);

  OutputFolder& folder_;
  const std::vector<Category>& categories_;
  const Options options_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Job> jobs_;
  bool busy_ = false;
  std::vector<std::string> errors_;
  std::exception_ptr end_;  // no more is written
  double seconds_ = 0;
  std::jthread worker_;  // last: it ends before what it uses
};

}  // namespace rcnn::tools
