#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <torch/nn/module.h>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/loss.h>
#include <rcnn/nn/pixels.h>
#include <rcnn/nn/training_set.h>
#include <rcnn/nn/weights/weights.h>
#include <rcnn/types.h>

namespace rcnn::nn {

/// A network that learns from images: all that the trainer, averaged weights and weight files know of it.
/// What it is good for after training is its kind: DetectionModelImpl, SegmentationModelImpl.
///
/// A module may be registered under two names: parameters are told apart by their tensors.
class RCNN_EXPORT ModelImpl : public torch::nn::Module {
 public:
  /// The losses of a batch, to be summed: one at least, the same names in the same order each time. Their
  /// gradients flow into parameters(). `targets` has one entry an image, on the images' device.
  virtual std::vector<Loss> losses(const ImageBatch& images, const std::vector<Target>& targets) = 0;

  virtual const PixelOptions& pixels() const = 0;

  /// Whether the shape of a parameter or buffer, by its name in the model, follows the number of classes:
  /// with weights of another data set it starts fresh. None does, unless a model says so.
  virtual bool depends_on_classes(std::string_view name) const;

  /// Takes from the training set what the losses need to know before the first iteration; nothing, unless a
  /// model says so. `loaded` are the parameters, by name, that have values of earlier weights. To be called
  /// once a training, before what learns is handed to a solver; what it finds becomes buffers, so that a
  /// state has it.
  virtual void begin_training(const TrainingSet& images, std::span<const std::string> loaded);

  /// The parameters and buffers of a state as weights that say the same without what begin_training() found:
  /// those that are published. `state` as it is, unless a model says so.
  virtual TensorMap published(TensorMap state) const;

  /// Whether a parameter or buffer, by its name in the model, serves the losses alone: weights may lack all
  /// of these, see load_state(). None does, unless a model says so.
  virtual bool only_trains(std::string_view name) const;

  /// Makes the model do without what only_trains(): it infers as before, in less memory, and losses() throws
  /// c10::Error. Nothing, unless a model has such a part.
  virtual void drop_training_parts();

  /// How many classes weights of such a model are for, background not counted; 0 where they do not tell, as
  /// with every model that does not override it.
  virtual int64_t classes_in(const TensorMap& weights) const;
};

/// Makes the model that a config's "model" describes, with fresh weights. `num_classes` comes from the data
/// set; background is not counted. Throws ConfigError.
RCNN_EXPORT std::shared_ptr<ModelImpl> make_model(const config::Node& model, int64_t num_classes);

}  // namespace rcnn::nn
