#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include <c10/util/Exception.h>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/images/image.h>
#include <rcnn/error.h>
#include <rcnn/infer/detect_files.h>

namespace rcnn {
namespace {

namespace fs = std::filesystem;

/// Adds the time of a scope to a sum.
class Stopwatch {
 public:
  explicit Stopwatch(double& sum) : sum_(sum) {}
  ~Stopwatch() { sum_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  double& sum_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

/// What an error of an image is to its reader. Errors of the library name the file themselves.
std::string said_of(const std::exception& error, const fs::path& file) {
  if (dynamic_cast<const Error*>(&error)) return error.what();
  if (is_out_of_memory(error))
    return fmt::format("{}: memory ran out; make the image smaller", file.string());
  const auto* const of_torch = dynamic_cast<const c10::Error*>(&error);
  return fmt::format("{}: {}", file.string(), of_torch ? of_torch->what_without_backtrace() : error.what());
}

/// Reads files ahead of who takes them, on threads of its own.
class Decoder {
 public:
  /// So many images wait or are being read at most.
  Decoder(std::span<const fs::path> files, int64_t max_megapixels, int64_t threads, int64_t ahead)
      : files_(files), max_megapixels_(max_megapixels), ahead_(static_cast<size_t>(ahead)) {
    for (int64_t i = 0; i < threads; ++i) {
      workers_.emplace_back([this](const std::stop_token& stop) { work(stop); });
    }
  }
  ~Decoder() {
    for (auto& worker : workers_) worker.request_stop();
  }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  /// The next file's, once it is read.
  FileResult next() {
    std::unique_lock lock(mutex_);
    const size_t index = taken_;
    is_ready_.wait(lock, [&] { return ready_.contains(index); });
    auto result = std::move(ready_.extract(index).mapped());
    ++taken_;
    may_read_.notify_all();
    return result;
  }

  double seconds() const {
    const std::lock_guard lock(mutex_);
    return seconds_;
  }

 private:
  void work(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    const auto may_read = [&] { return begun_ < std::min(files_.size(), taken_ + ahead_); };
    while (may_read_.wait(lock, stop, may_read) && !stop.stop_requested()) {
      const size_t index = begun_++;
      lock.unlock();
      double seconds = 0;
      auto result = read(index, seconds);
      lock.lock();
      seconds_ += seconds;
      ready_.emplace(index, std::move(result));
      is_ready_.notify_one();
    }
  }

  FileResult read(size_t index, double& seconds) const {
    const Stopwatch watch(seconds);
    FileResult result{.index = index};
    try {
      result.image = data::read_image(files_[index], max_megapixels_);
    } catch (const std::exception& error) {
      result.error = said_of(error, files_[index]);
    }
    return result;
  }

  const std::span<const fs::path> files_;
  const int64_t max_megapixels_;
  const size_t ahead_;
  mutable std::mutex mutex_;
  std::condition_variable_any may_read_;
  std::condition_variable is_ready_;
  size_t begun_ = 0, taken_ = 0;
  std::map<size_t, FileResult> ready_;
  double seconds_ = 0;
  std::vector<std::jthread> workers_;  // last: they end before what they use
};

/// Detects on one image. What its data are, and that it is too large for the memory, is its own error; no
/// other is an image's.
void detect_alone(const TensorDetector& detector, const fs::path& file, FileResult& result) {
  try {
    result.detections = to_list(detector.detect(result.image));
    return;
  } catch (const DataError& error) {
    result.error = fmt::format("{}: {}", file.string(), error.what());
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    if (!is_out_of_memory(error)) throw Error(said_of(error, file), 1);
    const ImageSize size{result.image.size(0), result.image.size(1)};
    const auto network = detector.network_size(size);
    result.error = fmt::format(
        "{}: memory ran out on this image of {} x {} pixels, {} x {} for the network; lower --scales "
        "or data.max_size",
        file.string(), size.width, size.height, network.width, network.height);
  }
  result.image = at::Tensor();
}

/// Detects on those of a batch that were read.
void detect_batch(const TensorDetector& detector, std::span<const fs::path> files,
                  std::vector<FileResult>& results) {
  std::vector<at::Tensor> images;
  std::vector<FileResult*> whose;
  for (auto& result : results) {
    if (!result.image.defined()) continue;
    try {
      detector.check_views({result.image.size(0), result.image.size(1)});
    } catch (const DataError& error) {
      result.error = fmt::format("{}: {}", files[result.index].string(), error.what());
      result.image = at::Tensor();
      continue;
    }
    images.push_back(result.image);
    whose.push_back(&result);
  }
  if (images.size() > 1) {
    try {
      const auto found = detector.detect(images);
      for (size_t i = 0; i < found.size(); ++i) whose[i]->detections = to_list(found[i]);
      return;
    } catch (const std::exception&) {
      // Which of them it was shows when they are tried one by one.
    }
  }
  images.clear();
  for (auto* const result : whose) detect_alone(detector, files[result->index], *result);
}

}  // namespace

DetectFilesTimes detect_files(const TensorDetector& detector, std::span<const fs::path> files,
                              const DetectFilesOptions& options,
                              const std::function<bool(FileResult, const DetectFilesTimes&)>& on_file) {
  TORCH_CHECK(options.batch > 0 && options.decoders > 0, "detect_files: batch ", options.batch, ", decoders ",
              options.decoders, "; expected 1 or more");
  DetectFilesTimes times;
  Decoder decoder(files, detector.max_megapixels(), options.decoders, options.batch + options.decoders);
  bool go_on = true;
  for (size_t done = 0; go_on && done < files.size();) {
    std::vector<FileResult> batch;
    while (std::ssize(batch) < options.batch && done < files.size()) {
      batch.push_back(decoder.next());
      ++done;
    }
    {
      const Stopwatch watch(times.network);
      detect_batch(detector, files, batch);
    }
    for (size_t i = 0; go_on && i < batch.size(); ++i) {
      times.decode = decoder.seconds();
      const Stopwatch watch(times.callback);
      go_on = on_file(std::move(batch[i]), times);
    }
  }
  return times;
}

}  // namespace rcnn
