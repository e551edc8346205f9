#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <rcnn/data/annotated_part.h>
#include <rcnn/data/options.h>
#include <rcnn/data/problems.h>

namespace rcnn::data {

/// A shape with an area, on an image or in one frame of a track.
struct CvatShape {
  enum class Kind { box, ellipse, outline, mask };
  Kind kind = Kind::box;
  std::array<double, 4> box = {};    ///< x, y, width, height before it is rotated
  double rotation = 0;               ///< of boxes and ellipses about their centres, in degrees
  std::vector<double> outline = {};  ///< x, y, x, y, ... of a polygon
  std::string label = {};            ///< of shapes on images
  JsonFields attributes = {};        ///< where they were asked for
  int32_t position = 0;              ///< among its image's or track's elements, from 1
  int64_t frame = 0;                 ///< of a track's, from 0 for the video's first
  bool outside = false;              ///< of a track's: the object is not to be seen from here on
  bool keyframe = true;              ///< of a track's: drawn by a person

  /// The upright box around it: x, y, width, height.
  std::array<double, 4> upright() const;
};

struct CvatImage {
  std::string name = {}, subset = {};
  ImageSize size = {};  ///< 0 x 0 where it is not stated
  std::vector<CvatShape> shapes = {};
};

struct CvatTrack {
  std::string id = {}, label = {}, subset = {}, task = {};
  std::vector<CvatShape> shapes = {};  ///< by frame
};

/// The frames of a task: start, start + step, ..., stop.
struct CvatFrames {
  int64_t start = 0, step = 1;
  std::optional<int64_t> stop = std::nullopt;
  std::optional<int64_t> count = std::nullopt;
  std::string video = {};  ///< its file's name, where it is stated
  ImageSize size = {};     ///< of all of them; 0 x 0 where it is not stated

  bool has(int64_t frame) const {
    return frame >= start && (frame - start) % step == 0 && (!stop || frame <= *stop);
  }
};

struct CvatFile {
  std::vector<std::string> labels = {};  ///< those that boxes may have, also without an object
  CvatFrames frames = {};
  std::vector<CvatImage> images = {};
  std::vector<CvatTrack> tracks = {};
};

/// Whether an XML text begins as CVAT's files do: <annotations>, and in it <meta>, <image> or <track>.
bool is_cvat(std::string_view head);

/// Reads CVAT's XML 1.1, for images and for videos. What is wrong is added to `problems`, and shapes that are
/// wrong are left out, as are those without an area: points, polylines, skeletons, tags. Throws DataError for
/// a file that cannot be read and what is no such XML.
CvatFile read_cvat_file(const std::filesystem::path& file, const DataOptions& options, bool with_details,
                        Problems& problems);

/// The shape that CVAT has in a frame between two of a track: it moves, grows and turns evenly.
CvatShape between(const CvatShape& before, const CvatShape& after, int64_t frame);

}  // namespace rcnn::data
