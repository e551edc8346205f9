#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include <rcnn/export.h>

namespace rcnn::train {

/// The processes that train one model together, each with its share of the batches. All of them make the same
/// calls in the same order, and each call waits for all.
class RCNN_EXPORT Peers {
 public:
  virtual ~Peers();

  /// Which of them this one is, from 0. The first one alone writes files.
  virtual int64_t rank() const = 0;
  virtual int64_t count() const = 0;

  /// Whether it is so in one of them at least: what happened to one (a loss that is not finite, a signal to
  /// stop) ends them all at the same iteration.
  virtual bool any(bool here) = 0;

  /// Puts the mean over all of them in the place of each tensor. The shapes are the same everywhere.
  virtual void mean(const std::vector<at::Tensor>& tensors) = 0;
};

/// One process by itself, which waits for nobody.
RCNN_EXPORT std::shared_ptr<Peers> alone();

}  // namespace rcnn::train
