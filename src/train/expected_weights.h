#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>

#include <rcnn/nn/weights/weights.h>
#include <rcnn/train/stages.h>
#include <rcnn/train/training.h>

namespace rcnn::train {

/// What configs say of weights that stages will leave, before any of them is run.
class ExpectedWeights {
 public:
  /// Of weights for a training, whose classes are those of a stage with the same data.
  explicit ExpectedWeights(const Training& training) : training_(training) {}

  /// Names, shapes and types of what a stage will leave; all values are 0, and take no memory. Null where its
  /// config does not tell: of a kind of one's own, or with other data, whose classes nobody has counted.
  const nn::TensorMap* of(const Product& product);

  /// The stage in which a tensor of the weights gets its values by training; empty where configs do not tell.
  /// Two that name different stages are not equal.
  std::string trained_in(const Product& product, const std::string& name);

 private:
  struct Known {
    nn::TensorMap tensors;
    std::set<std::string> learning;  // names
  };
  const std::optional<Known>& known(const Stage& stage);
  std::optional<Known> made(const Stage& stage) const;
  std::optional<int64_t> classes_of(const config::Config& config) const;

  const Training& training_;
  std::map<std::filesystem::path, std::optional<Known>> known_;  // by the stage's folder
};

/// The product that a file is, where the stage that leaves it is not done; null otherwise.
const Product* missing_product(std::span<const Product> products, const std::filesystem::path& file);

/// Loads what stages will leave into a training's model, which is of no use afterwards. Throws what
/// Training::load_initial_weights() would throw of it, as far as configs tell.
void try_initial_weights(const Training& training, std::span<const Product> products);

}  // namespace rcnn::train
