#include "train/propose_stage.h"

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/proposals/make_proposals.h>
#include <rcnn/data/proposals/proposal_file.h>
#include <rcnn/infer/rpn_proposals.h>
#include <rcnn/infer/tensor_detector.h>
#include <rcnn/log.h>
#include <rcnn/nn/models/detection_model.h>
#include <rcnn/train/training.h>

#include "train/stage_parts.h"
#include "train/whole_weights.h"

namespace rcnn::train {
namespace {

namespace fs = std::filesystem;

/// The part of the data set whose proposals become `file`.
struct Part {
  const char* file;
  std::shared_ptr<const data::Dataset> images;
};

std::map<std::string, std::string> inputs_of_proposing(const Stage& stage) {
  auto inputs = numbers_of_weights(stage);
  const auto options = data::DataOptions::from(stage.config.root().child("data"));
  inputs["the training images and their boxes"] = number_of(options, options.train);
  inputs["the test images and their boxes"] = number_of(options, options.test);
  return inputs;
}

void check_proposes(const nn::DescribedModel& described) {
  const auto node = described.config.root().child("model");
  if (nn::as_detection_model(described.model, node)->needs_proposals())
    throw node.error("type", "makes no proposals, it needs some; rpn and faster_rcnn make them");
}

/// Makes the proposals of a part, or goes on where it was stopped; false when it was stopped again. What was
/// made is kept beside the file.
bool make_part(const Part& part, const data::ProposalMethod& method, const fs::path& folder,
               const data::DataOptions& options, const StageContext& context) {
  const auto file = folder / part.file;
  data::Problems problems;
  const auto list = data::make_proposal_file(*part.images, method, file,
                                             {.resume = fs::exists(data::partial_of(file)),
                                              .bad_images = options.bad_images,
                                              .stop = context.stop,
                                              .on_progress =
                                                  [&](int64_t done, int64_t total, int64_t) {
                                                    if (context.on_proposed) context.on_proposed(done, total);
                                                  }},
                                             problems);
  if (!list) return false;
  problems.settle(file.string());
  log::info(fmt::format("proposals of {} images: {}", list->images.size(), file.string()));
  return true;
}

std::function<bool()> prepare_proposing(const Stage& stage, const StageContext& context) {
  const bool reopen = goes_on(stage, context.resume);
  check_initial_weights(stage.config.root().child("model"), product_files(stage));
  const auto training = std::make_shared<Training>(Training::from(stage.config, context.device));
  check_proposes(training->described);
  const Part train{"train.pkl", training->dataset};
  const Part test{"test.pkl", data::open(training->data, training->data.test)};
  load_whole_weights(*training, stage.products);
  std::vector<std::pair<std::string, std::string>> description{{"method", "rpn"}};
  for (const auto& [file, number] : numbers_of_weights(stage)) description.emplace_back(file, number);
  return [=, folder = stage.folder, anyway = context.resume == Run::Resume::anyway] {
    const auto opened = reopen ? RunFolder::reopen(folder) : RunFolder::create(folder);
    opened.write_config(training->described.config);
    log::also_to(opened.log());
    if (anyway) {  // what was made of other weights or images is made again
      for (const auto* file : {train.file, test.file}) fs::remove(data::partial_of(folder / file));
    }
    const auto data = training->data;
    const auto method =
        rpn_method(std::make_shared<const TensorDetector>(std::move(training->described),
                                                          DetectorOptions{.device = training->device.str()}),
                   data.workers, description);
    const bool done =
        make_part(train, method, folder, data, context) && make_part(test, method, folder, data, context);
    log::no_longer_to(opened.log());
    return done;
  };
}

}  // namespace

StageKind propose_stage() {
  return {.products = {{"train.pkl", "proposals"}, {"test.pkl", "proposals"}},
          .prepare = prepare_proposing,
          .inputs = inputs_of_proposing};
}

}  // namespace rcnn::train
