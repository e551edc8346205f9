#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/io/safetensors.h>
#include <rcnn/train/training.h>

#include "tests/support/message_of.h"
#include "tests/support/tiny_model.h"
#include "tests/train/few_scenes.h"

namespace rcnn::train {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

/// Trainings that start from files in which every weight is the same number.
class InitialWeights : public FewScenes {
 protected:
  static fs::path constant(const std::string& name, float value, const std::string& prefix = "") {
    nn::TensorMap tensors;
    for (const auto& [key, tensor] : nn::state_of(*tiny_model(5))) {
      if (key.starts_with(prefix)) tensors[key] = at::full_like(tensor, value);
    }
    io::write_safetensors(folder_->path() / name, {.tensors = tensors, .metadata = {}});
    return folder_->path() / name;
  }

  static Training training(const std::string& weights) {
    const auto text =
        fmt::format(R"({{"model": {}, "data": {{"root": "{}", "min_size": 64, "max_size": 96}}}})",
                    kTinyModel, (folder_->path() / "scenes").string());
    return Training::from(config::Config::parse(text, "here", std::vector{"model.weights=" + weights}),
                          at::kCPU);
  }

  /// Each weight's number; 0 for those of a fresh model.
  static std::map<std::string, float> loaded(const std::string& weights) {
    auto whole = training(weights);
    testing::internal::CaptureStderr();
    whole.load_initial_weights();
    said_ = testing::internal::GetCapturedStderr();
    std::map<std::string, float> values;
    for (const auto& [name, tensor] : nn::state_of(*whole.described.model)) {
      const auto value = tensor.min().item<float>();
      values[name] = value == tensor.max().item<float>() && value >= 1 ? value : 0;
    }
    return values;
  }

  static inline std::string said_;
};

TEST_F(InitialWeights, ComeFromSeveralFilesOneAfterTheOther) {
  const auto one = constant("one.safetensors", 1), two = constant("two.safetensors", 2);
  const auto list = fmt::format(
      R"([{{"file": "{}"}}, {{"file": "{}", "only": ["rpn.*", "roi_heads.box_head.fc6.weight"]}}])",
      one.string(), two.string());
  for (const auto& [name, value] : loaded(list)) {
    const bool second = name.starts_with("rpn.") || name == "roi_heads.box_head.fc6.weight";
    EXPECT_EQ(value, second ? 2 : 1) << name;
  }
  EXPECT_THAT(said_, AllOf(HasSubstr("initial weights " + one.string()),
                           HasSubstr("initial weights " + two.string()), HasSubstr("start fresh: none")));
  for (const auto& [name, value] : loaded(one.string())) EXPECT_EQ(value, 1) << name;
  for (const auto& [name, value] :
       loaded(fmt::format(R"([{{"file": "{}", "only": ["rpn.*"]}}])", one.string())))
    EXPECT_EQ(value, name.starts_with("rpn.") ? 1 : 0) << name;
  EXPECT_EQ(training("[]").described.config.root().child("model").list("weights").size(), 0u);
}

TEST_F(InitialWeights, OfWhichAPatternThatMeansNothingIsNamed) {
  const auto rpn = constant("rpn.safetensors", 1, "rpn.").string();
  const auto error = [&](const std::string& entry) {
    return message_of<ConfigError>([&] { training("[" + entry + "]").load_initial_weights(); });
  };
  EXPECT_THAT(error(fmt::format(R"({{"file": "{}", "only": ["rpn.*", "rpn.haed.*"]}})", rpn)),
              AllOf(HasSubstr("model.weights.1.only: " + rpn + " gives the model no rpn.haed.*"),
                    HasSubstr("did you mean rpn.head.*?")));
  EXPECT_THAT(error(fmt::format(R"({{"file": "{}", "only": ["backbone.*"]}})", rpn)),
              HasSubstr(rpn + " gives the model no backbone.*"));
  EXPECT_THAT(error(R"({"only": ["rpn.*"]})"), HasSubstr("model.weights.1.file: is required"));
  EXPECT_THAT(error(R"({"file": "a", "onl": []})"), HasSubstr("did you mean only?"));
  EXPECT_THAT(error("1"), HasSubstr("model.weights.1: must be an object"));
  EXPECT_THAT(
      message_of<WeightsError>([&] { training(R"([{"file": "/gone.pth"}])").load_initial_weights(); }),
      HasSubstr("/gone.pth: No such file"));
}

TEST_F(InitialWeights, AModelThatNeedsProposalsSaysWhereTheyBelong) {
  const auto train = [&](const std::shared_ptr<const data::Dataset>& dataset) {
    const auto text = fmt::format(R"({{"model": {}, "data": {{"min_size": 64, "max_size": 96}},
                                      "train": {{"iterations": 1, "batch_size": 2}}}})",
                                  kTinyFastRcnn);
    Trainer(config::Config::parse(text, "here"), dataset, "cpu").fit();
  };
  EXPECT_THAT(message_of<ConfigError>([&] { train(images()); }),
              AllOf(HasSubstr("data.train.proposals"), HasSubstr("the training data has none")));
  train(std::make_shared<WithProposals>(images()));
}

TEST_F(InitialWeights, AreUnfoldedByTheTrainingsStatistics) {
  const auto dataset = std::make_shared<WithProposals>(images());
  const auto file = constant("plain.safetensors", 2);
  auto training = [&] {
    const auto text =
        fmt::format(R"({{"model": {}, "data": {{"min_size": 64, "max_size": 96}}}})", kTinyFastRcnn);
    return Training::from(config::Config::parse(text, "here", std::vector{"model.weights=" + file.string()}),
                          at::kCPU, dataset);
  }();
  training.load_initial_weights();
  const Trainer trainer(training);
  const auto& model = *training.described.model;
  const std::string name = "roi_heads.box_predictor.bbox_pred.weight";
  const auto learns = nn::state_of(model).at(name);
  EXPECT_FALSE(at::equal(learns, at::full_like(learns, 2)));
  const auto published = model.published(nn::state_of(model)).at(name);
  EXPECT_TRUE(at::allclose(published, at::full_like(published, 2), 1e-6));
}

}  // namespace
}  // namespace rcnn::train
