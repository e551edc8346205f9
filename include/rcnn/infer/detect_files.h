#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <rcnn/export.h>
#include <rcnn/infer/proposal_source.h>
#include <rcnn/infer/tensor_detector.h>

namespace rcnn {

/// How much of detect_files() goes on at once.
struct DetectFilesOptions {
  int64_t batch = 1;                    ///< images that go through the network at once
  int64_t decoders = 2;                 ///< threads that read images ahead
  ProposalSource* proposals = nullptr;  ///< of a detector that needs them, for these files
};

/// What became of one file.
struct FileResult {
  size_t index = 0;                        ///< of the file
  at::Tensor image = {};                   ///< uint8 [H, W, 3] RGB as it was read; undefined with an error
  std::vector<Detection> detections = {};  ///< best first
  std::string error = {};                  ///< one line that names the file; empty when all went well
  std::vector<std::string> remarks = {};  ///< what is odd about the file all the same, see data::read_image()
};

/// Where the time went, in seconds.
struct DetectFilesTimes {
  double decode = 0;     ///< of all decoders together
  double proposals = 0;  ///< waiting for those of a DetectFilesOptions::proposals
  double network = 0;    ///< pixels in, detections out
  double callback = 0;
};

/// Detects on files, in their order and batch by batch, while threads decode what comes next: not more than
/// a batch and an image for each decoder are held at once, beside what on_file keeps.
///
/// on_file  gets each file's result in the caller's thread, in order, and the times so far. What it throws
///          ends the run and comes out here; when it returns false this returns without the rest.
///
/// An image that cannot be read never ends the run, nor does one whose proposals do not fit it: its result
/// says it. When memory runs out in a batch its
/// images are tried one by one, and the result of one that is too large even then says what to lower. Any
/// other error of the detector is no image's fault and is thrown, as an Error with exit code 1 that names the
/// image where it came.
RCNN_EXPORT DetectFilesTimes
detect_files(const TensorDetector& detector, std::span<const std::filesystem::path> files,
             const DetectFilesOptions& options,
             const std::function<bool(FileResult, const DetectFilesTimes&)>& on_file);

}  // namespace rcnn
