#pragma once

#include <set>
#include <string>
#include <vector>

#include <rcnn/io/weight_file.h>
#include <rcnn/nn/weights/weights.h>

namespace rcnn::nn {

/// Tensors under the names that the network itself gives them.
struct RecognisedNames {
  TensorMap tensors;
  std::set<std::string> wrappers;     ///< parts of names that were dropped: "_orig_mod"
  std::string prefix;                 ///< that stood before these names: "model.module."
  std::vector<std::string> left_out;  ///< names of the file: of a loss, of another network
  std::vector<std::string> averages;  ///< prefixes of averaged copies that were left out: "ema_model."
  bool averaged = false;              ///< whether the tensors are an averaged copy
};

/// Takes wrappers' prefixes off: those of torch.compile, FSDP and activation checkpoints wherever they stand;
/// before a detector (backbone and RPN or RoI heads) any; before other networks module, model, net, network
/// and detector. What has another prefix than the one detector is left out. Averaged copies among the names
/// (ema_model.*, averaged_model.module.*: a prefix with such a word before names that are there without it,
/// too) are left out or taken. Throws WeightsError when several detectors or averaged copies are there, and
/// when names become the same.
RecognisedNames recognise_names(const TensorMap& tensors, io::Averages averages);

/// The same for names that this library gave, whose modules may be called anything: what torch.compile and
/// DataParallel (module.) put before all of them goes.
RecognisedNames recognise_own_names(const TensorMap& tensors);

/// Names of torchvision 0.13 and later for those of before: `inner_blocks.0.weight` of a pyramid has become
/// `inner_blocks.0.0.weight`, and the RPN's `conv.weight` `conv.0.0.weight`, as torchvision's own modules
/// rename them on loading. Returns whether there were some. Throws WeightsError when both are there.
bool rename_older(TensorMap& tensors);

}  // namespace rcnn::nn
