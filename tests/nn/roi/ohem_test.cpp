#include <cmath>

#include <spdlog/fmt/fmt.h>

#include <rcnn/config/config.h>
#include <rcnn/nn/layers/precision.h>
#include <rcnn/nn/registry.h>
#include <rcnn/nn/roi/ohem.h>
#include <rcnn/nn/roi/ohem_sampler.h>
#include <rcnn/nn/roi/roi_heads.h>
#include <rcnn/nn/weights/weights.h>

#include "tests/support/message_of.h"
#include "tests/support/naive_ops.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;
using Sampling = RoiHeadsOptions::Sampling;

const at::Tensor kNothing = torch::zeros({0, 4});

at::Tensor crowded_boxes(int64_t count, double extent) {
  const auto corner = at::rand({count, 2}) * extent;
  return at::cat({corner, corner + at::rand({count, 2}) * 20 + 10}, 1);
}

/// Candidates of images that have `counts` of them, with random labels.
RoiBatch crowded(const std::vector<int64_t>& counts) {
  std::vector<at::Tensor> boxes, labels;
  for (const auto count : counts) {
    boxes.push_back(crowded_boxes(count, 30));
    labels.push_back(at::randint(0, 3, {count}, at::kLong));
  }
  const auto all = at::pad_sequence(boxes, true), padded_labels = at::pad_sequence(labels, true, -1);
  return {.boxes = all,
          .labels = padded_labels,
          .truth = at::full_like(padded_labels, -1),
          .truth_boxes = at::zeros_like(all),
          .proposal = at::full_like(padded_labels, -1),
          .counts = counts,
          .positives = std::vector<int64_t>(counts.size())};
}

TEST(HardestRois, AreThoseOfAGreedySearch) {
  for (const int seed : {1, 2, 3, 4}) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    torch::manual_seed(seed);
    const auto rois = crowded({120, 40, 0});
    const auto loss = at::rand({3, 120});
    for (const bool per_label : {false, true}) {
      for (const int64_t count : {10, 200}) {
        const auto rows = hardest_rois(rois, loss, count, {.per_label = per_label});
        ASSERT_EQ(rows.sizes(), (std::vector<int64_t>{3, count}));
        for (int64_t image = 0; image < 3; ++image) {
          const auto size = rois.counts[image];
          const auto group = rois.labels[image].narrow(0, 0, size);
          const auto greedy = naive_nms(rois.boxes[image].narrow(0, 0, size), loss[image].narrow(0, 0, size),
                                        per_label ? group : at::zeros_like(group), 0.7)
                                  .slice(0, 0, count);
          if (size == 120 && count == 200) {
            EXPECT_LT(greedy.size(0), 120) << "nothing overlaps";
          }
          EXPECT_TRUE(identical(rows[image].narrow(0, 0, greedy.size(0)), greedy));
          EXPECT_TRUE((rows[image].slice(0, greedy.size(0)) == -1).all().item<bool>());
        }
      }
    }
  }
}

TEST(HardestRois, OfDisjointBoxesAreThoseOfTheGreatestLoss) {
  torch::manual_seed(5);
  auto rois = crowded({50});
  rois.boxes = rois.boxes + at::arange(50).view({1, 50, 1}) * 100;
  const auto loss = at::rand({1, 50});
  EXPECT_TRUE(identical(hardest_rois(rois, loss, 8, {}), std::get<1>(loss.topk(8, 1))));
}

TEST(HardestRois, AreOneOfManyInTheSamePlace) {
  torch::manual_seed(6);
  auto rois = crowded({10});
  rois.boxes = rois.boxes.narrow(1, 0, 1).repeat({1, 10, 1});
  rois.labels.fill_(0).narrow(1, 0, 2).fill_(2);
  const auto loss = at::arange(10, at::kFloat).view({1, 10});
  EXPECT_TRUE(identical(hardest_rois(rois, loss, 4, {}), torch::tensor({{9, -1, -1, -1}}, at::kLong)));
  EXPECT_TRUE(identical(hardest_rois(rois, loss, 4, {.per_label = true}),
                        torch::tensor({{9, 1, -1, -1}}, at::kLong)));
}

TEST(HardestRois, ALossThatIsNoNumberIsNotLost) {
  torch::manual_seed(7);
  auto rois = crowded({10, 9});
  rois.boxes = rois.boxes + at::arange(10).view({1, 10, 1}) * 100;
  auto loss = at::rand({2, 10});
  loss[0][4] = std::nan("");
  loss[1][9] = std::nan("");  // padding
  const auto rows = hardest_rois(rois, loss, 3, {});
  EXPECT_EQ(rows[0][0].item<int64_t>(), 4);
  EXPECT_TRUE(identical(rows[1], std::get<1>(loss[1].narrow(0, 0, 9).topk(3))));
  EXPECT_EQ(error_of([&] { hardest_rois(rois, loss.narrow(1, 0, 9), 3, {}); }),
            "hardest_rois: loss: expected [2, 10], got [2, 9]");
}

TEST(OhemOptions, AreReadFromTrueOrAnObject) {
  const auto options = [](const std::string& json) {
    const auto config = config::Config::parse(json, "f.json");
    RoiHeadsOptions options;
    options.read(config.root());
    config.root().finish();
    return options;
  };
  EXPECT_EQ(options("{}").sampling, Sampling::random);
  EXPECT_EQ(options(R"({"ohem": false})").sampling, Sampling::random);
  EXPECT_EQ(options(R"({"ohem": true})").sampling, Sampling::ohem);
  EXPECT_EQ(options(R"({"ohem": true})").ohem.nms_threshold, 0.7);
  EXPECT_EQ(options(R"({"sampler": "ohem_sampler", "positive_fraction": 0.5})").sampling,
            Sampling::ohem_sampler);
  const auto own = options(R"({"ohem": {"nms_threshold": 0.5, "per_label": true}})");
  EXPECT_EQ(own.sampling, Sampling::ohem);
  EXPECT_EQ(own.ohem.nms_threshold, 0.5);
  EXPECT_TRUE(own.ohem.per_label);
  for (const auto& [json, part] : std::vector<std::pair<const char*, const char*>>{
           {R"({"ohem": 1})", "f.json: ohem: must be true or false"},
           {R"({"ohem": {"treshold": 1}})", "f.json: ohem.treshold: unknown key"},
           {R"({"ohem": {"nms_threshold": 2}})", "f.json: ohem.nms_threshold"},
           {R"({"ohem": true, "positive_fraction": 0.25})", "positive_fraction: has no meaning with ohem"},
           {R"({"ohem": true, "negative_low": 0.1})", "negative_low: has no meaning with ohem"},
           {R"({"ohem": {}, "sampler": "ohem_sampler"})", "sampler: has no meaning with ohem"},
           {R"({"sampler": "hard"})", "sampler: must be one of random, ohem_sampler"}}) {
    const auto message = message_of<ConfigError>([&, text = json] { options(text); });
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
}

/// What a head was asked.
struct HeadCall {
  int64_t rois;
  bool gradients, training;
};

/// One fully connected layer, which writes down what it is asked.
class WitnessHead : public BoxHeadImpl {
 public:
  WitnessHead(const GridSpec& grid, std::vector<HeadCall>& calls)
      : layer_(register_module("fc", torch::nn::Linear(grid.channels * grid.size * grid.size, 16))),
        calls_(calls) {}
  at::Tensor forward(const std::vector<at::Tensor>& grids) override {
    const auto x = layer_->forward(grids.front().flatten(1)).tanh();
    calls_.push_back({x.size(0), x.requires_grad(), is_training()});
    return x;
  }
  int64_t channels() const override { return 16; }

 private:
  torch::nn::Linear layer_;
  std::vector<HeadCall>& calls_;
};

constexpr int64_t kProposals = 500, kBatch = 64;

/// RoI heads over a convolution, 500 proposals, and objects near some of them.
class Ohem : public testing::TestWithParam<Sampling> {
 protected:
  Ohem() {
    torch::manual_seed(11);
    trunk_ = torch::nn::Conv2d(3, 4, 3);
    pooler_ = std::make_shared<LevelPoolerImpl>(std::vector<FeatureSpec>{{"c1", 4, 4}},
                                                RoiPoolerOptions{.size = 3});
    head_ = std::make_shared<WitnessHead>(pooler_->grids().front(), calls_);
    branch_ = BoxBranch(head_, 3, BoxBranchOptions());
    heads_ = RoiHeads(
        pooler_, branch_,
        RoiHeadsOptions{.sampler = {.count = kBatch, .positive_fraction = 0.25}, .sampling = GetParam()});
    image_ = at::randn({1, 3, 66, 66});
    proposals_ = crowded_boxes(kProposals, 220);
    target_ = {proposals_.narrow(0, 0, 12) + at::randn({12, 4}) * 2, at::randint(1, 4, {12}, at::kLong),
               kNothing};
  }

  std::vector<at::Tensor> maps() { return {at::relu(trunk_->forward(image_))}; }

  /// The gradients of all parameters, the convolution's first.
  std::vector<at::Tensor> gradients_of(const at::Tensor& loss) {
    auto parameters = trunk_->parameters();
    for (const auto& parameter : heads_->parameters()) parameters.push_back(parameter);
    for (auto& parameter : parameters) parameter.mutable_grad().reset();
    loss.backward();
    std::vector<at::Tensor> gradients;
    for (const auto& parameter : parameters) gradients.push_back(parameter.grad().clone());
    return gradients;
  }

  void expect_equal(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) {
      EXPECT_GT(a[i].norm().item<double>(), 0) << i;
      EXPECT_LT((a[i] - b[i]).norm().item<double>(), 1e-6 * a[i].norm().item<double>()) << i;
    }
  }

  std::vector<HeadCall> calls_;
  torch::nn::Conv2d trunk_ = nullptr;
  std::shared_ptr<LevelPoolerImpl> pooler_;
  std::shared_ptr<WitnessHead> head_;
  BoxBranch branch_ = nullptr;
  RoiHeads heads_ = nullptr;
  at::Tensor image_, proposals_;
  Target target_;
};

INSTANTIATE_TEST_SUITE_P(Both, Ohem, testing::Values(Sampling::ohem, Sampling::ohem_sampler),
                         [](const auto& info) {
                           return info.param == Sampling::ohem ? "Ohem" : "OhemSampler";
                         });

TEST_P(Ohem, LooksAtAllWithoutAGraphAndLearnsFromTheHardest) {
  const auto losses = heads_->losses(maps(), {proposals_}, {target_});
  ASSERT_EQ(calls_.size(), 2u);
  EXPECT_EQ(calls_[0].rois, kProposals + 12);
  EXPECT_FALSE(calls_[0].gradients);
  EXPECT_TRUE(calls_[0].training);
  EXPECT_EQ(calls_[1].rois, kBatch);
  EXPECT_TRUE(calls_[1].gradients);
  for (const auto& parameter : heads_->parameters()) EXPECT_FALSE(parameter.grad().defined());
  ASSERT_EQ(losses.size(), 2u);
  EXPECT_EQ(losses[0].name, "loss_classifier");
}

TEST_P(Ohem, AFewProposalsAreASmallBatch) {
  heads_->losses(maps(), {proposals_.narrow(0, 0, 20)},
                 {{kNothing, target_.labels.slice(0, 0, 0), kNothing}});
  EXPECT_LE(calls_[1].rois, 20);
  EXPECT_GT(calls_[1].rois, 10);
}

TEST_P(Ohem, NothingAtAllCostsNothing) {
  const auto none = target_.labels.slice(0, 0, 0);
  const auto losses = heads_->losses({at::zeros({2, 4, 16, 16})}, {kNothing, kNothing},
                                     {{kNothing, none, kNothing}, {kNothing, none, kNothing}});
  EXPECT_EQ((losses[0].value + losses[1].value).item<float>(), 0);
}

TEST_P(Ohem, InBfloat16EveryParameterLearns) {
  at::Tensor sum;
  {
    const Autocast autocast(c10::DeviceType::CPU, Precision::bf16);
    const auto losses = heads_->losses(maps(), {proposals_}, {target_});
    sum = losses[0].value + losses[1].value;
  }
  EXPECT_EQ(sum.scalar_type(), at::kFloat);
  for (const auto& gradient : gradients_of(sum)) EXPECT_GT(gradient.norm().item<double>(), 0);
}

// The in-place variant: all RoIs have a graph, and those that are not selected cost nothing.
TEST_P(Ohem, HasTheGradientsOfTheInPlaceVariant) {
  const auto read_only = heads_->losses(maps(), {proposals_}, {target_});
  const auto expected = gradients_of(read_only[0].value + read_only[1].value);

  const auto all = sample_rois({proposals_}, {target_}, heads_->options().matcher,
                               {.count = kProposals + 12, .positive_fraction = 1});
  const auto prediction = branch_->forward(pooler_->forward(maps(), all.unpadded(all.boxes)));
  const auto loss = branch_->loss_of_each(prediction, all);
  auto rows = GetParam() == Sampling::ohem
                  ? hardest_rois(all, loss.detach(), kBatch, {})
                  : worst_classified_rois(all, prediction.scores.detach(), heads_->options().sampler);
  rows = rows.masked_select(rows >= 0).unsqueeze(0);
  ASSERT_EQ(rows.size(1), kBatch);
  expect_equal(gradients_of(loss.gather(1, rows).sum() / kBatch), expected);
  // And of a plain batch that is made of them.
  const auto hardest = all.select(rows);
  const auto plain =
      branch_->losses(branch_->forward(pooler_->forward(maps(), hardest.unpadded(hardest.boxes))), hardest);
  expect_equal(gradients_of(plain[0].value + plain[1].value), expected);
}

TEST(OhemBuffers, StatisticsOfNormsAreThoseOfTheBatchThatIsLearntFrom) {
  const auto heads = [](const char* sampling, const char* more) {
    torch::manual_seed(3);
    return make_roi_heads(
        config::Config::parse(
            fmt::format(R"({{"head": {{"type": "conv", "convs": 1, "channels": 4, "hidden": 8,
                                              "norm": "batch"}}, {}, "batch_per_image": {}}})",
                        sampling, more),
            "f.json")
            .root(),
        {{"c1", 4, 4}}, 2);
  };
  torch::manual_seed(4);
  const auto map = at::randn({1, 4, 16, 16}), boxes = crowded_boxes(30, 20);
  const Target nothing{kNothing, at::zeros({0}, at::kLong), kNothing};
  // Where all are taken, the first pass sees what the second does.
  auto mining = heads(R"("sampler": "ohem_sampler")", "30"), plain = heads(R"("sampler": "random")", "30");
  mining->losses({map}, {boxes}, {nothing});
  plain->losses({map}, {boxes}, {nothing});
  const auto expected = plain->named_buffers();
  ASSERT_GT(expected.size(), 0u);
  for (const auto& buffer : mining->named_buffers()) {
    EXPECT_TRUE(close(buffer.value(), expected[buffer.key()], 1e-6)) << buffer.key();
  }
  EXPECT_EQ(mining->named_buffers()["box_head.0.1.num_batches_tracked"].item<int64_t>(), 1);
}

}  // namespace
}  // namespace rcnn::nn
