#include <algorithm>
#include <atomic>
#include <chrono>
#include <utility>

#include <c10/util/Exception.h>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/images/image.h>
#include <rcnn/data/loading/read_ahead.h>
#include <rcnn/data/loading/transforms.h>
#include <rcnn/error.h>
#include <rcnn/infer/detect_files.h>

#include "data/images/remarks.h"

namespace rcnn {
namespace {

namespace fs = std::filesystem;

/// Adds the time of a scope to a sum.
template <class Sum>
class Stopwatch {
 public:
  explicit Stopwatch(Sum& sum) : sum_(sum) {}
  ~Stopwatch() { sum_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  Sum& sum_;
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

/// An image that cannot be read is its result's error.
FileResult read_file(std::span<const fs::path> files, size_t index, int64_t max_megapixels) {
  FileResult result{.index = index};
  try {
    data::ImageRemarks remarks;
    result.image = data::read_image(files[index], max_megapixels);
    result.remarks = remarks.take();
  } catch (const std::exception& error) {
    result.error = said_of(error, files[index]);
  }
  return result;
}

/// The detections of images, among the proposals of a detector that needs them.
std::vector<Detections> detect_among(const TensorDetector& detector, std::span<const at::Tensor> images,
                                     std::span<const at::Tensor> proposals) {
  return detector.needs_proposals() ? detector.detect(images, proposals) : detector.detect(images);
}

/// Detects on one image. What its data are, and that it is too large for the memory, is its own error; no
/// other is an image's.
void detect_alone(const TensorDetector& detector, const fs::path& file, const at::Tensor& proposals,
                  FileResult& result) {
  try {
    const auto found = detect_among(detector, std::span(&result.image, 1), std::span(&proposals, 1));
    result.detections = to_list(found.front());
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
void detect_batch(const TensorDetector& detector, std::span<const fs::path> files, ProposalSource* source,
                  std::vector<FileResult>& results, DetectFilesTimes& times) {
  std::vector<at::Tensor> images, proposals;
  std::vector<FileResult*> whose;
  for (auto& result : results) {
    if (!result.image.defined()) continue;
    const ImageSize size{result.image.size(0), result.image.size(1)};
    try {
      detector.check_views(size);
    } catch (const DataError& error) {
      result.error = fmt::format("{}: {}", files[result.index].string(), error.what());
      result.image = at::Tensor();
      continue;
    }
    try {
      const Stopwatch watch(times.proposals);
      proposals.push_back(source ? data::to_tensor(source->of(result.index, size)) : at::Tensor());
    } catch (const DataError& error) {
      result.error = error.what();
      result.image = at::Tensor();
      continue;
    }
    images.push_back(result.image);
    whose.push_back(&result);
  }
  const Stopwatch watch(times.network);
  if (images.size() > 1) {
    try {
      const auto found = detect_among(detector, images, proposals);
      for (size_t i = 0; i < found.size(); ++i) whose[i]->detections = to_list(found[i]);
      return;
    } catch (const std::exception&) {
      // Which of them it was shows when they are tried one by one.
    }
  }
  images.clear();
  for (size_t i = 0; i < whose.size(); ++i) {
    detect_alone(detector, files[whose[i]->index], proposals[i], *whose[i]);
  }
}

}  // namespace

DetectFilesTimes detect_files(const TensorDetector& detector, std::span<const fs::path> files,
                              const DetectFilesOptions& options,
                              const std::function<bool(FileResult, const DetectFilesTimes&)>& on_file) {
  TORCH_CHECK(options.batch > 0 && options.decoders > 0, "detect_files: batch ", options.batch, ", decoders ",
              options.decoders, "; expected 1 or more");
  TORCH_CHECK(detector.needs_proposals() == (options.proposals != nullptr),
              "detect_files: proposals: expected ", detector.needs_proposals() ? "some" : "none",
              " for this detector");
  DetectFilesTimes times;
  std::atomic<double> decode = 0;
  data::ReadAhead<FileResult> decoded(options.decoders, options.batch + options.decoders);
  decoded.start(0, std::ssize(files), [&](int64_t index) {
    const Stopwatch watch(decode);
    return read_file(files, static_cast<size_t>(index), detector.max_megapixels());
  });
  bool go_on = true;
  while (go_on) {
    std::vector<FileResult> batch;
    while (std::ssize(batch) < options.batch) {
      auto result = decoded.next();
      if (!result) break;
      batch.push_back(std::move(*result));
    }
    if (batch.empty()) break;
    detect_batch(detector, files, options.proposals, batch, times);
    for (size_t i = 0; go_on && i < batch.size(); ++i) {
      times.decode = decode;
      const Stopwatch watch(times.callback);
      go_on = on_file(std::move(batch[i]), times);
    }
  }
  return times;
}

}  // namespace rcnn
