#include "data/formats/cvat/cvat_frames.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/images/find_images.h>
#include <rcnn/error.h>

#include "data/paths.h"
#include "text.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

/// The folder of the frames and what lies in it, sorted.
struct FrameFiles {
  fs::path root;
  std::vector<std::string> files;
};

FrameFiles images_in(const fs::path& folder, bool recursive) {
  FrameFiles images{folder, {}};
  try {
    for (const auto& image : find_images({folder}, {.recursive = recursive}))
      images.files.push_back(image.relative.generic_string());
  } catch (const DataError&) {
    // There is none: for the caller to say.
  }
  return images;
}

FrameFiles images_of(const DatasetPart& part, const AnnotationFile& own) {
  if (!part.split.images.empty()) return images_in(part.split.images, true);
  const auto folder = own.place == nullptr ? part.options.root : own.place->path() / own.folder;
  auto images = images_in(folder / "images", true);
  return images.files.empty() ? images_in(folder, false) : images;
}

/// The number in frame_000012.png.
std::optional<int64_t> frame_of(const std::string& file) {
  const auto stem = lower(fs::path(file).stem().string());
  constexpr std::string_view kBegin = "frame_";
  return stem.starts_with(kBegin) ? number<int64_t>(stem.substr(kBegin.size())) : std::nullopt;
}

/// Whether a name comes before another where digits count as the numbers that they are.
bool comes_before(std::string_view a, std::string_view b) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  while (!a.empty() && !b.empty()) {
    if (is_digit(a[0]) && is_digit(b[0])) {
      const auto take = [&](std::string_view& text) {
        const auto end = std::ranges::find_if_not(text, is_digit) - text.begin();
        auto digits = text.substr(0, static_cast<size_t>(end));
        text.remove_prefix(digits.size());
        digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
        return digits;
      };
      const auto one = take(a), other = take(b);
      if (one != other) return std::pair(one.size(), one) < std::pair(other.size(), other);
    } else {
      if (a[0] != b[0]) return a[0] < b[0];
      a.remove_prefix(1);
      b.remove_prefix(1);
    }
  }
  return a.size() < b.size();
}

std::string how_to_extract(const CvatFrames& frames) {
  return fmt::format("extract the frames: mkdir images; ffmpeg -i {} -start_number 0 images/frame_%06d.png",
                     frames.video.empty() ? "VIDEO" : frames.video);
}

}  // namespace

CvatFrameImages find_frames(const DatasetPart& part, const AnnotationFile& own, const CvatFrames& frames,
                            Problems& problems) {
  const auto images = images_of(part, own);
  const auto file = part.split.annotations.string();
  CvatFrameImages found{.root = images.root};
  for (const auto& image : images.files) {
    if (const auto frame = frame_of(image)) found.by_frame.emplace(*frame, image);
  }
  const auto count = std::ssize(images.files);
  if (found.by_frame.empty()) {
    if (count == 0 || frames.count != count) {
      throw DataError(fmt::format(
          "{}: its tracks are on frames of which no image is there: {} has {} images, none called "
          "frame_000000.png, and the task has {} frames; {}",
          file, images.root.string(), count,
          frames.count ? std::to_string(*frames.count) : "an unknown number of", how_to_extract(frames)));
    }
    if (!std::ranges::is_sorted(images.files, comes_before)) {
      throw DataError(
          fmt::format("{}: the order of its frames is not clear: {} has names whose order as texts is not "
                      "that of their numbers, as "
                      "10.png and 2.png; call them frame_000000.png and so on",
                      file, images.root.string()));
    }
    for (int64_t i = 0; i < count; ++i)
      found.by_frame.emplace(frames.start + i * frames.step, images.files[static_cast<size_t>(i)]);
    problems.warn("frames have other names than CVAT's, and are taken in the sorted order of these",
                  fmt::format("{} is frame {}", images.files.front(), frames.start));
    return found;
  }
  const auto first = found.by_frame.begin()->first, last = found.by_frame.rbegin()->first;
  if (frames.start == 0 && first == 1 && frames.count == last) {
    throw DataError(fmt::format("{}: the images of its frames are numbered from 1, CVAT counts from 0; {}",
                                file, how_to_extract(frames)));
  }
  std::erase_if(found.by_frame, [&](const auto& image) {
    if (frames.has(image.first)) return false;
    problems.warn("an image of a frame that is not of the task is left out", image.second);
    return true;
  });
  return found;
}

std::vector<CvatShape> shapes_in_frames(const CvatTrack& track, const CvatFrames& frames,
                                        const CvatFrameImages& images, const std::string& file,
                                        Policy bad_images, Problems& problems) {
  std::vector<CvatShape> result;
  const auto lacks = [&](const std::string& which) {
    problems.bad(bad_images, "bad_images",
                 fmt::format("a frame of a track has no image; {}", how_to_extract(frames)),
                 fmt::format("{}: track {} {}", file, track.id, which));
  };
  for (size_t i = 0; i < track.shapes.size(); ++i) {
    const auto& shape = track.shapes[i];
    if (shape.outside) continue;
    if (images.by_frame.contains(shape.frame)) {
      result.push_back(shape);
    } else {
      lacks(fmt::format("frame {}", shape.frame));
    }
    const auto* next = i + 1 < track.shapes.size() ? &track.shapes[i + 1] : nullptr;
    auto frame = images.by_frame.upper_bound(shape.frame);
    int64_t count = 0;
    for (; frame != images.by_frame.end() && (next == nullptr || frame->first < next->frame);
         ++frame, ++count) {
      result.push_back(next == nullptr ? shape : between(shape, *next, frame->first));
      if (next == nullptr) {
        result.back().frame = frame->first;
        result.back().keyframe = false;
      } else if (shape.kind == CvatShape::Kind::outline) {
        problems.warn("between the polygons of a track their boxes are interpolated, not their outlines",
                      fmt::format("{}: track {} frame {}", file, track.id, frame->first));
      }
    }
    if (next != nullptr &&
        (next->frame - 1 - frames.start) / frames.step - (shape.frame - frames.start) / frames.step > count)
      lacks(fmt::format("frames between {} and {}", shape.frame, next->frame));
  }
  return result;
}

}  // namespace rcnn::data
