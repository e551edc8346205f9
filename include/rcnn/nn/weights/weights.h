#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <rcnn/error.h>
#include <rcnn/export.h>

namespace torch::nn {
class Module;
}

namespace rcnn::nn {

/// Tensors by name.
using TensorMap = std::map<std::string, at::Tensor>;

/// A module's own parameters and buffers under their dotted names; one with several names has the first.
RCNN_EXPORT TensorMap state_of(const torch::nn::Module& module);

/// Throws WeightsError, with all names and how many values each, where floating-point tensors hold NaN,
/// infinity, or what float32 has no finite number for; `origin` names the file in the message. Reads each
/// tensor once.
RCNN_EXPORT void check_finite(const TensorMap& tensors, const std::string& origin);

/// What was copied, by name. Batch norm's num_batches_tracked is neither called fresh nor unused.
struct LoadReport {
  std::vector<std::string> loaded;        ///< names in the module
  std::vector<std::string> fresh;         ///< names in the module that keep their initialisation
  std::vector<std::string> derived = {};  ///< names in the module, see DerivesWeights
  std::vector<std::string> unused;        ///< names in the file
};

/// A part of a model that knows what some of its parameters or buffers are where weights to start from lack
/// them.
class RCNN_EXPORT DerivesWeights {
 public:
  /// Adds such tensors to `tensors`, which have the model's names; those of this module begin with `prefix`:
  /// "backbone.body.conv1.", or nothing.
  virtual void derive(const std::string& prefix, TensorMap& tensors) const = 0;

 protected:
  ~DerivesWeights() = default;
};

/// Whether tensors may be of another number of classes than the model's where ModelImpl::depends_on_classes()
/// says that they depend on it: they then stay fresh.
enum class Classes { same, any };

/// Copies `tensors` into the module's state, converting the floating-point type. Throws WeightsError, having
/// changed nothing, when a name is missing or unexpected or a shape differs, listing all of them, and the
/// prefix without or with which more names would match, and see check_finite(); `origin` names the file in
/// the message. That counter, on which nothing depends, may be missing or too much; of a tensor with several
/// names one suffices. Where nothing in `tensors` is of what a model has for its losses alone, see
/// ModelImpl::only_trains(), the model goes on without: ModelImpl::drop_training_parts().
RCNN_EXPORT LoadReport load_state(torch::nn::Module& module, const TensorMap& tensors,
                                  const std::string& origin, Classes classes = Classes::same);

/// Copies as much of `tensors` as the module has a place for: under the same name, or, for the weights of a
/// classification network, in the backbone and the RoI head (`layer1.0.conv1.weight` is
/// `backbone.body.layer1.0.conv1.weight`; `classifier.0` and `classifier.3` of a VGG, `fc6` and `fc7` of
/// a ZF are the head's fc6 and fc7). What depends on the classes, see Classes, stays fresh when the file has
/// another number of them. Throws WeightsError, having changed nothing, when another shape differs or nothing
/// fits at all, and where what would be copied is not finite, see check_finite().
///
/// Where the file has no such tensor, it takes what parts of the module derive from the others, see
/// DerivesWeights.
///
/// With patterns in `only` (*: anything) these are copied alone: tensors whose name in the module one of them
/// means, and what parts derive from them. The others are neither called unused, nor is it an error then when
/// nothing fits.
RCNN_EXPORT LoadReport load_initial(torch::nn::Module& module, const TensorMap& tensors,
                                    const std::string& origin, std::span<const std::string> only = {});

/// Names for people: "backbone.body.layer1 (30), rpn.head (6)".
RCNN_EXPORT std::string counted_parts(const std::vector<std::string>& names);

}  // namespace rcnn::nn
