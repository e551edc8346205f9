#pragma once

#include <memory>
#include <utility>

#include <rcnn/data/dataset.h>
#include <rcnn/data/loading/loader.h>
#include <rcnn/train/training.h>

namespace rcnn::train {

/// A training on the CPU without a config.
inline Training training_of(nn::DescribedModel model, std::shared_ptr<const data::Dataset> dataset,
                            const data::TransformOptions& transform, const data::LoaderOptions& loader,
                            const TrainOptions& options) {
  return {.data = {.train = {.transform = transform},
                   .min_size = transform.min_size,
                   .max_size = transform.max_size,
                   .workers = loader.workers,
                   .bad_images = loader.bad_images},
          .options = options,
          .dataset = std::move(dataset),
          .described = std::move(model)};
}

}  // namespace rcnn::train
