#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/io/weight_file.h>
#include <rcnn/nn/weights/weights.h>

namespace rcnn::nn {

/// Whose names, and with them whose conventions, weights follow.
///
/// torchvision   what this library uses: `backbone.body.layer1.0.conv1.weight`, background is class 0
/// detectron2    `backbone.bottom_up.res2.0.conv1.weight`, `proposal_generator.*`; background comes last,
///               without a box; the anchors of a cell go by size, then by ratio
/// mmdetection   `backbone.layer1.0.conv1.weight`, `neck.*`, `rpn_head.*`, `roi_head.bbox_head.*`;
///               background comes last, without a box
/// caffe2        Detectron's blobs: `res2_0_branch2a_w`; batch norm is a scale and a shift
/// caffe         py-faster-rcnn's and Fast R-CNN's layers, and those of the ImageNet networks (VGG16, ZF,
///               VGG_CNN_M_1024) that these start from: `conv1_1.blobs.0`, `rpn_conv/3x3.blobs.1`; two scores
///               an anchor, and deltas of boxes that are not divided by the box weights
enum class WeightNames { torchvision, detectron2, mmdetection, caffe2, caffe };

/// What a translation has to know of the detector and cannot see in its weights.
struct RCNN_EXPORT WeightNamesOptions {
  int64_t anchor_ratios = 3;                           ///< aspect ratios of the anchors of a cell
  bool class_agnostic = false;                         ///< one box a RoI instead of one for each class
  double norm_eps = 1e-5;                              ///< of frozen batch norm
  std::array<double, 4> box_weights = {10, 10, 5, 5};  ///< of the RoI head's deltas

  /// From the keys of a config's "model" that say so, the defaults where it does not.
  static WeightNamesOptions from(const config::Node& model);
};

/// The convention that the names show; torchvision's when they show no other.
RCNN_EXPORT WeightNames weight_names_of(const TensorMap& tensors);

/// What a translation gives.
struct RenamedWeights {
  TensorMap tensors;
  std::vector<std::string> left_out;  ///< names of the source that have no counterpart: anchors, momenta
};

/// Translates weights of a ResNet, or of a Faster R-CNN over one with a res5 head, a pyramid, or neither;
/// Caffe's of a VGG16, a ZF or a VGG_CNN_M_1024, or of a detector over one. A classification network, which
/// has neither RPN nor RoI heads, gets torchvision's names of such a network (`layer1.0.conv1.weight`,
/// `classifier.0.weight`) or, where torchvision has none, Caffe's own (`conv5.weight`, `fc6.weight`). Of
/// mmdetection's detectors over a ResNet also those with the necks PAFPN, BiFPN, NASFPN and RFP; heads that
/// are unknown here, such as Cascade R-CNN's and those of masks, are left out. Rows of
/// the last layers change their order with the names; tensors whose rows stay are shared. Throws WeightsError
/// when a tensor has not the shape that its name promises, and where no name has a counterpart.
RCNN_EXPORT RenamedWeights to_torchvision(const TensorMap& tensors, WeightNames from,
                                          const WeightNamesOptions& options = {});

/// The inverse. What to_torchvision() added (zeros as the background's box) or left out is not restored
/// exactly: caffe2's batch norm comes back as scale and shift.
RCNN_EXPORT RenamedWeights from_torchvision(const TensorMap& tensors, WeightNames to,
                                            const WeightNamesOptions& options = {});

/// What of a file is taken, and under which names.
struct ReadOptions {
  io::Averages averages = io::Averages::leave_out;
  std::string drop_prefix = {};  ///< from the names in the file that begin with it, first of all
  std::string add_prefix = {};   ///< to every name, once wrappers' prefixes are gone
};

/// Weights as a file has them, under the names that the network itself gives them, in the convention of
/// whoever wrote it.
struct RecognisedWeights {
  TensorMap tensors;
  bool averaged = false;                        ///< whether these are averages
  std::map<std::string, std::string> metadata;  ///< as io::WeightFile has it
  io::WeightFile::Format format = io::WeightFile::Format::safetensors;
  /// What was recognised and what was left out, in one line for people; empty where the file holds weights
  /// and nothing else, under names as they are.
  std::string summary;
};

/// Reads weights of any kind (io/weight_file.h) as trainings and wrappers leave them: a checkpoint's alone;
/// without what DataParallel, torch.compile, Lightning and their like put before the names (module., model.,
/// _orig_mod., whatever stands before the one detector of a file); under torchvision's names of today for
/// those of before 0.13. What belongs to no detector is left out, and averaged copies too, or these are
/// taken. Names of a file that rcnn wrote stay but for module. and _orig_mod.. Throws WeightsError, also when
/// there are several detectors, several averaged copies, or none of those asked for.
RCNN_EXPORT RecognisedWeights recognise_weights(const std::filesystem::path& file,
                                                const ReadOptions& options = {});

/// What read_weights gives.
struct ReadWeights {
  TensorMap tensors;
  std::vector<std::string> left_out;  ///< names of the source that have no counterpart
  std::string summary;                ///< see RecognisedWeights
};

/// The same under torchvision's names.
RCNN_EXPORT ReadWeights read_weights(const std::filesystem::path& file, const WeightNamesOptions& names = {},
                                     const ReadOptions& options = {});

}  // namespace rcnn::nn
