#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <rcnn/data/problems.h>
#include <rcnn/data/tools/locate.h>

#include "data/formats/cvat/cvat_file.h"
#include "data/formats/found_images.h"

namespace rcnn::data {

/// The images of a video's frames, or of a task that was made from images.
struct CvatFrameImages {
  std::filesystem::path root = {};
  std::map<int64_t, std::string> by_frame = {};  ///< below the root
};

/// Finds the images of frames: the folder of images that was named, or `images` beside the file, or else the
/// file's folder. Frames are called frame_000000.png, with any number of digits, as CVAT exports them; others
/// are the frames of a task in their sorted order if there are as many. Throws DataError, which says how to
/// extract them, when there are none.
CvatFrameImages find_frames(const DatasetPart& part, const AnnotationFile& own, const CvatFrames& frames,
                            Problems& problems);

/// A track's shapes in all frames that have an image. Between two shapes those that lie between; none from
/// one that is outside to the next that is not; after the last it stays to the end of the task. Frames that
/// lack an image are added to `problems` as `bad_images` says.
std::vector<CvatShape> shapes_in_frames(const CvatTrack& track, const CvatFrames& frames,
                                        const CvatFrameImages& images, const std::string& file,
                                        Policy bad_images, Problems& problems);

}  // namespace rcnn::data
