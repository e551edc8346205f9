// register_format: a data set in a format of one's own, found by the name that the config has for it.
#include <cstdio>
#include <memory>

#include <rcnn/data/formats/formats.h>
#include <rcnn/rcnn.h>

#include "blocks.h"

namespace {

std::shared_ptr<rcnn::data::Dataset> open_blocks(const rcnn::data::DataOptions&,
                                                 const rcnn::data::SplitOptions& split,
                                                 rcnn::data::Problems& problems) {
  if (split.split != "drawn") problems.error("there are no such blocks", split.split);
  return std::make_shared<Blocks>(split.limit);
}

}  // namespace

int main() {
  rcnn::data::formats().add("blocks", open_blocks);
  const auto config = rcnn::config::Config::parse(R"({
    "model": {"type": "faster_rcnn", "backbone": {"type": "vgg16_bn", "width": 8, "frozen_stages": 0},
              "roi": {"head": {"type": "mlp", "hidden": 32}}},
    "data": {"type": "blocks", "min_size": 96, "max_size": 96, "train": {"split": "drawn", "limit": 4}},
    "train": {"iterations": 1, "batch_size": 2}
  })",
                                                  "blocks");
  rcnn::train::Trainer trainer(config);
  trainer.fit();
  std::printf("%d iteration done\n", int(trainer.iteration()));
  return trainer.iteration() == 1 ? 0 : 1;
}
