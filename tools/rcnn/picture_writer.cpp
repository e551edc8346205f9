#include "picture_writer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/images/image.h>
#include <rcnn/error.h>
#include <rcnn/io/files/atomic_file.h>
#include <rcnn/vis/draw.h>

namespace rcnn::tools {
namespace {

constexpr size_t kMostWaiting = 2;

/// The pixels that a box covers, at least one.
at::Tensor crop_of(const at::Tensor& image, const Box& box) {
  const auto range = [](float low, float high, int64_t length) {
    const auto first = std::clamp<int64_t>(static_cast<int64_t>(std::floor(low)), 0, length - 1);
    const auto end = std::clamp<int64_t>(static_cast<int64_t>(std::ceil(high)), first + 1, length);
    return std::pair(first, end - first);
  };
  const auto [y, height] = range(box.y1, box.y2, image.size(0));
  const auto [x, width] = range(box.x1, box.x2, image.size(1));
  return image.narrow(0, y, height).narrow(1, x, width);
}

}  // namespace

PictureWriter::PictureWriter(OutputFolder& folder, const std::vector<Category>& categories, Options options)
    : folder_(folder),
      categories_(categories),
      options_(options),
      worker_([this](const std::stop_token& stop) { work(stop); }) {}

PictureWriter::~PictureWriter() = default;

void PictureWriter::add(std::filesystem::path relative, FileResult result) {
  if (!options_.pictures && !options_.crops) return;
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return jobs_.size() < kMostWaiting; });
  if (end_) return;
  jobs_.push_back({std::move(relative), std::move(result)});
  changed_.notify_all();
}

void PictureWriter::finish() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return jobs_.empty() && !busy_; });
}

std::vector<std::string> PictureWriter::take_errors() {
  const std::lock_guard lock(mutex_);
  if (end_) std::rethrow_exception(end_);
  return std::exchange(errors_, {});
}

double PictureWriter::seconds() const {
  const std::lock_guard lock(mutex_);
  return seconds_;
}

void PictureWriter::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [&] { return !jobs_.empty(); }) && !stop.stop_requested()) {
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    busy_ = true;
    changed_.notify_all();
    lock.unlock();
    const auto begin = std::chrono::steady_clock::now();
    std::string error;
    std::exception_ptr end;
    try {
      write(job);
    } catch (const io::WriteError& failure) {
      if (failure.is_of_disk()) end = std::current_exception();
      error = failure.what();
    } catch (const Error& failure) {
      error = failure.what();
    } catch (const std::exception& failure) {
      if (!is_out_of_memory(failure)) end = std::current_exception();
      error = fmt::format("{}: memory ran out while it was drawn", job.relative.string());
    }
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    lock.lock();
    busy_ = false;
    seconds_ += taken.count();
    if (!error.empty()) errors_.push_back(error);
    if (end) {
      end_ = end;
      jobs_.clear();
    }
    changed_.notify_all();
  }
}

void PictureWriter::write(const Job& job) {
  const auto& [index, image, detections, error, remarks] = job.result;
  if (options_.pictures) write_picture(job.relative, vis::draw_detections(image, detections, categories_));
  if (!options_.crops) return;
  for (size_t i = 0; i < detections.size(); ++i) {
    const auto& category = categories_.at(static_cast<size_t>(detections[i].label - 1));
    const auto name = fmt::format("{}_{}.jpg", job.relative.stem().string(), i + 1);
    write_picture(std::filesystem::path("crops") / OutputFolder::file_name_of(category.name) / name,
                  crop_of(image, detections[i].box));
  }
}

void PictureWriter::write_picture(const std::filesystem::path& wanted, const at::Tensor& picture) {
  const bool is_large = std::max(picture.size(0), picture.size(1)) > data::kLargestJpegSide;
  data::write_image(folder_.make_room(folder_.name_of(wanted, is_large ? ".png" : ".jpg")), picture);
}

}  // namespace rcnn::tools
