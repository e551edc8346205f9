#include <array>
#include <atomic>
#include <cmath>
#include <functional>

#include <ATen/record_function.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <rcnn/boxes/box.h>
#include <rcnn/config/config.h>
#include <rcnn/nn/models/faster_rcnn.h>
#include <rcnn/nn/registry.h>
#include <rcnn/nn/rpn/head.h>

#include "tests/support/message_of.h"
#include "tests/support/tensors.h"

/// Joint training, approximate and not, with the head's losses alone.
namespace rcnn::nn {
namespace {

using namespace rcnn::test;

constexpr int64_t kGradientClasses = 3;
constexpr const char* kPyramid = R"({
  "type": "faster_rcnn", "proposal_gradient": "exact",
  "backbone": {"type": "resnet18", "width": 8, "levels": ["c2", "c3", "c4", "c5"], "frozen_stages": 0},
  "neck": {"type": "fpn", "channels": 16},
  "rpn": {"anchors": {"sizes": [8, 16, 32, 64, 96]}, "train": {"pre_nms": 150, "post_nms": 60}},
  "roi": {"head": {"type": "mlp", "hidden": 16}, "batch_per_image": 32}
})";

/// Maps of stride 8 that learn.
class Colours : public FeatureExtractorImpl {
 public:
  Features forward(const at::Tensor& images) override {
    return {.maps = {conv_->forward(at::avg_pool2d(images, 8)).tanh()}};
  }
  std::vector<FeatureSpec> levels() const override { return {{"colours", 6, 8}}; }

 private:
  torch::nn::Conv2d conv_ =
      register_module("conv", torch::nn::Conv2d(torch::nn::Conv2dOptions(3, 6, 3).padding(1)));
};

/// A model whose parts stay at hand. Every RoI counts, so that nothing is drawn.
struct Parts {
  boxes::Convention convention;
  std::shared_ptr<Colours> extractor = make_extractor();
  Rpn rpn;
  std::shared_ptr<RoiPoolerImpl> pooler;
  BoxBranch branch;
  RoiHeads heads;
  std::shared_ptr<FasterRcnnImpl> model;

  explicit Parts(ProposalGradient gradient, bool aligned = false,
                 boxes::Convention of_boxes = boxes::Convention::edges)
      : convention(of_boxes),
        rpn(make_rpn(extractor->levels(), convention)),
        pooler(std::make_shared<LevelPoolerImpl>(
            extractor->levels(), RoiPoolerOptions{.sampling_ratio = aligned ? 0 : 2, .aligned = aligned})),
        branch(box_heads().make(config::Config::parse(R"({"hidden": 12})", "test").root(), pooler->grids()),
               kGradientClasses,
               BoxBranchOptions{.coder = {.weights = {10, 10, 5, 5}, .convention = convention}}),
        heads(pooler, branch,
              RoiHeadsOptions{.sampler = {.count = 1 << 20, .positive_fraction = 0.25},
                              .convention = convention}),
        model(std::make_shared<FasterRcnnImpl>(extractor, rpn, heads, PixelOptions{}, 32, gradient)) {
    model->to(at::kDouble);
    model->train();
  }

  static std::shared_ptr<Colours> make_extractor() {
    torch::manual_seed(10);
    return std::make_shared<Colours>();
  }

  static Rpn make_rpn(const std::vector<FeatureSpec>& levels, boxes::Convention convention) {
    torch::manual_seed(11);
    Rpn rpn(levels, RpnOptions{.anchors = {.sizes = {16, 32}, .convention = convention},
                               .train = {.pre_nms = 1000, .post_nms = 300}});
    const torch::NoGradGuard no_grad;
    for (auto& parameter : rpn->parameters()) parameter.normal_(0, 0.05);
    return rpn;
  }
};

ImageBatch images() {
  torch::manual_seed(12);
  return {{torch::randint(0, 256, {64, 96, 3}, at::kByte), torch::randint(0, 256, {64, 80, 3}, at::kByte)},
          {{64, 96}, {64, 80}}};
}

std::vector<Target> truth() {
  const auto none = torch::zeros({0, 4});
  return {{torch::tensor({{8.f, 8.f, 40.f, 40.f}, {48.f, 8.f, 80.f, 40.f}}), torch::tensor({1, 3}, at::kLong),
           none},
          {torch::tensor({{16.f, 24.f, 48.f, 56.f}}), torch::tensor({2}, at::kLong), none}};
}

at::Tensor head_loss(const std::vector<Loss>& losses) {
  at::Tensor sum = torch::zeros({}, at::kDouble);
  for (const auto& loss : losses) {
    if (!loss.name.starts_with("loss_objectness") && !loss.name.starts_with("loss_rpn"))
      sum = sum + loss.value;
  }
  return sum;
}

at::Tensor gradient_of(const at::Tensor& parameter) {
  return parameter.grad().defined() ? parameter.grad() : at::zeros_like(parameter);
}

/// The head's losses with the choice of RoIs, their labels and targets held as they are now, and the boxes
/// that they are pooled from predicted anew: by the maps that the head's convolutions give, and decoding as
/// it is written in the paper.
class FixedChoice {
 public:
  explicit FixedChoice(Parts& parts) : parts_(parts) {
    const torch::NoGradGuard no_grad;
    const auto targets = truth();
    const auto maps = parts.model->feature_maps(images());
    const auto proposals = parts.rpn->forward(maps, images().sizes, &targets, {}, true).proposals;
    rois_ = parts.heads->sample(maps, proposals.boxes, targets);
    for (size_t i = 0; i < proposals.anchors.size(); ++i) {
      const auto of_image = rois_.proposal[static_cast<int64_t>(i)];
      const auto known = of_image.clamp_min(0).clamp_max(proposals.anchors[i].size(0) - 1);
      anchors_.push_back(proposals.anchors[i].index_select(0, known));
    }
  }

  const RoiBatch& rois() const { return rois_; }

  double loss() const {
    const torch::NoGradGuard no_grad;
    const auto maps = parts_.model->feature_maps(images());
    const auto head = std::dynamic_pointer_cast<RpnHeadImpl>(parts_.rpn->children().front());
    const auto deltas = head->forward(maps).deltas.front();
    boxes::AnchorGenerator generator({.sizes = {16, 32}, .convention = parts_.convention}, {8});
    // By first and last pixel the decoded last one lies at the middle and half the width, and a pixel further
    // as an edge (methods of the time: encode and decode are no inverses).
    const double last = parts_.convention == boxes::Convention::pixels ? 1 : 0;
    const auto references =
        generator.anchors({{maps[0].size(2), maps[0].size(3)}}, at::kCPU).front().to(at::kDouble);
    const auto sizes = images().sizes;
    std::vector<at::Tensor> boxes;
    for (int64_t i = 0; i < 2; ++i) {
      const auto a = references.index_select(0, anchors_[i]).unbind(1),
                 d = deltas[i].index_select(0, anchors_[i]).unbind(1);
      const auto wa = a[2] - a[0], ha = a[3] - a[1];
      const auto x = d[0] * wa + (a[0] + a[2]) / 2, y = d[1] * ha + (a[1] + a[3]) / 2;
      const double limit = std::log(1000. / 16);
      const auto w = wa * d[2].clamp_max(limit).exp(), h = ha * d[3].clamp_max(limit).exp();
      const auto width = static_cast<double>(sizes[i].width), height = static_cast<double>(sizes[i].height);
      const auto predicted =
          at::stack({(x - w / 2).clamp(0, width - last), (y - h / 2).clamp(0, height - last),
                     (x + w / 2 + last).clamp(last, width), (y + h / 2 + last).clamp(last, height)},
                    1);
      const auto is_proposal = (rois_.proposal[i] >= 0).unsqueeze(1);
      EXPECT_LT(((predicted - rois_.boxes[i]).abs() * is_proposal).max().item<double>(), moved_ ? 1 : 1e-4);
      boxes.push_back(at::where(is_proposal, predicted, rois_.boxes[i].to(at::kDouble)));
    }
    const auto rois = rois_.unpadded(boxes::trim(at::stack(boxes), last, last));
    const auto said = parts_.branch->forward(parts_.pooler->forward(maps, rois));
    return loss_of(said);
  }

  /// Cross entropy and Smooth L1 in double: the library's losses are float32, too coarse for differences.
  double loss_of(const BoxBranchImpl::Prediction& said) const {
    const auto labels = at::cat(rois_.unpadded(rois_.labels));
    const auto positive = (labels > 0).nonzero().squeeze(1), of_class = labels.index_select(0, positive);
    const auto targets = boxes::BoxCoder({.weights = {10, 10, 5, 5}, .convention = parts_.convention})
                             .encode(at::cat(rois_.unpadded(rois_.boxes)).index_select(0, positive),
                                     at::cat(rois_.unpadded(rois_.truth_boxes)).index_select(0, positive));
    const auto off = (said.deltas.index({positive, of_class}) - targets).abs();
    const auto smooth = at::where(off < 1. / 9, off * off * 4.5, off - 0.5 / 9).sum();
    const auto entropy = -said.scores.log_softmax(1).gather(1, labels.unsqueeze(1)).sum();
    return ((entropy + smooth) / static_cast<double>(labels.size(0))).item<double>();
  }

  /// The difference of the loss along a direction for each parameter, and that of the gradients that are
  /// there.
  std::pair<double, double> along_a_direction(const std::vector<at::Tensor>& parameters) {
    constexpr double kStep = 1e-6;
    const torch::NoGradGuard no_grad;
    loss();  // predicts the proposals
    moved_ = true;
    torch::manual_seed(13);
    std::vector<at::Tensor> directions;
    double expected = 0;
    for (const auto& parameter : parameters) {
      directions.push_back(at::randn_like(parameter));
      expected += (directions.back() * gradient_of(parameter)).sum().item<double>();
    }
    const auto moved = [&](double step) {
      for (size_t i = 0; i < parameters.size(); ++i) at::Tensor(parameters[i]).add_(directions[i], step);
      return loss();
    };
    const double after = moved(kStep), before = moved(-2 * kStep);
    moved(kStep);
    return {(after - before) / (2 * kStep), expected};
  }

 private:
  Parts& parts_;
  RoiBatch rois_;
  std::vector<at::Tensor> anchors_;
  bool moved_ = false;
};

TEST(ProposalGradient, OfTheHeadsLossesIsTheNumericOne) {
  using boxes::Convention;
  for (const auto& [aligned, convention] :
       {std::pair(false, Convention::edges), {true, Convention::edges}, {false, Convention::pixels}}) {
    SCOPED_TRACE(testing::Message() << aligned << ", " << (convention == Convention::pixels));
    Parts parts(ProposalGradient::exact, aligned, convention);
    FixedChoice choice(parts);
    const auto learns_box = (choice.rois().labels > 0).logical_and(choice.rois().proposal >= 0);
    ASSERT_GT(learns_box.sum().item<int64_t>(), 0);
    head_loss(parts.model->losses(images(), truth())).backward();
    const auto of_rpn = parts.rpn->named_parameters();
    for (const auto* name : {"head.bbox_pred.weight", "head.bbox_pred.bias", "head.conv.0.0.weight"}) {
      EXPECT_GT(gradient_of(of_rpn[name]).abs().max().item<double>(), 1e-6) << name;
      const auto [numeric, expected] = choice.along_a_direction({of_rpn[name]});
      EXPECT_NEAR(expected, numeric, 1e-4 * std::abs(numeric)) << name;
    }
    const auto [numeric, expected] = choice.along_a_direction(parts.model->parameters());
    EXPECT_NEAR(expected, numeric, 1e-4 * std::abs(numeric));
    for (const auto* name : {"head.cls_logits.weight", "head.cls_logits.bias"}) {
      EXPECT_TRUE(identical(gradient_of(of_rpn[name]), at::zeros_like(of_rpn[name]))) << name;
    }
  }
}

TEST(ProposalGradient, NoneReachesTheRpnInApproximateTraining) {
  Parts parts(ProposalGradient::none);
  head_loss(parts.model->losses(images(), truth())).backward();
  for (const auto& item : parts.rpn->named_parameters())
    EXPECT_FALSE(item.value().grad().defined()) << item.key();
}

TEST(ProposalGradient, LeavesTheLossesAsTheyAre) {
  Parts none(ProposalGradient::none);
  const auto expected = none.model->losses(images(), truth());
  for (const auto gradient : {ProposalGradient::exact, ProposalGradient::inside}) {
    const auto losses = Parts(gradient).model->losses(images(), truth());
    for (size_t i = 0; i < expected.size(); ++i)
      EXPECT_TRUE(identical(losses[i].value, expected[i].value)) << losses[i].name;
  }
}

TEST(ProposalGradient, StopsAtClippedSidesOrAtBoxesThatCrossTheBorder) {
  torch::manual_seed(14);
  Rpn rpn(std::vector<FeatureSpec>{{"c3", 2, 8}}, RpnOptions{.anchors = {.sizes = {16}, .ratios = {1}}});
  for (auto& parameter : rpn->parameters()) parameter.detach().zero_();
  // Anchors of side 16 around the corner, the middle, and one step to the right of it; none.
  const auto anchors = torch::tensor({{0, 6 * 4 + 4, 6 * 4 + 5, -1}}, at::kLong);
  const auto boxes = torch::tensor(
      {{{0.f, 0.f, 8.f, 8.f}, {24.f, 24.f, 40.f, 40.f}, {32.f, 24.f, 48.f, 40.f}, {1.f, 2.f, 3.f, 4.f}}});
  const std::vector<at::Tensor> maps = {torch::rand({1, 2, 6, 6})};
  const auto of_bias = [&](int64_t row, int64_t side, ProposalGradient gradient, double clip = 0) {
    rpn->zero_grad();
    const auto joined =
        rpn->with_gradient(boxes, anchors, maps, {{.height = 48, .width = 44}}, gradient, clip);
    EXPECT_TRUE(identical(joined, boxes));
    joined[0][row][side].backward();
    return rpn->named_parameters()["head.bbox_pred.bias"].grad().clone();
  };
  const auto moved = [](float dx, float dy, float dw, float dh) {
    return torch::tensor({dx, dy, dw, dh}) * 16;
  };
  for (const auto gradient : {ProposalGradient::exact, ProposalGradient::inside}) {
    EXPECT_TRUE(close(of_bias(1, 0, gradient), moved(1, 0, -0.5, 0)));
    EXPECT_TRUE(close(of_bias(1, 3, gradient), moved(0, 1, 0, 0.5)));
    for (int64_t side = 0; side < 4; ++side)
      EXPECT_TRUE(identical(of_bias(3, side, gradient), moved(0, 0, 0, 0)));
    EXPECT_TRUE(identical(of_bias(0, 0, gradient), moved(0, 0, 0, 0)));
    EXPECT_TRUE(identical(of_bias(2, 2, gradient), moved(0, 0, 0, 0)));  // 48 of 44
  }
  EXPECT_TRUE(close(of_bias(1, 0, ProposalGradient::exact, 10), torch::tensor({10.f, 0.f, -8.f, 0.f})));
  EXPECT_TRUE(close(of_bias(1, 0, ProposalGradient::exact, 4), torch::tensor({4.f, 0.f, -4.f, 0.f})));
  EXPECT_TRUE(close(of_bias(0, 2, ProposalGradient::exact), moved(1, 0, 0.5, 0)));
  EXPECT_TRUE(close(of_bias(2, 0, ProposalGradient::exact), moved(1, 0, -0.5, 0)));
  EXPECT_TRUE(identical(of_bias(0, 2, ProposalGradient::inside), moved(0, 0, 0, 0)));
  EXPECT_TRUE(identical(of_bias(2, 0, ProposalGradient::inside), moved(0, 0, 0, 0)));
}

TEST(ProposalGradient, ComesFromEveryLevelOfAPyramid) {
  torch::manual_seed(15);
  const auto model = make_detection_model(config::Config::parse(kPyramid, "test").root(), kGradientClasses);
  model->train();
  head_loss(model->losses(images(), truth())).backward();
  const auto parameters = model->named_parameters();
  EXPECT_GT(parameters["rpn.head.bbox_pred.weight"].grad().abs().max().item<float>(), 0);
  EXPECT_TRUE(identical(gradient_of(parameters["rpn.head.cls_logits.weight"]),
                        at::zeros_like(parameters["rpn.head.cls_logits.weight"])));
}

/// How many operators a call runs, those inside of others, too.
int64_t operators_in(const std::function<void()>& call) {
  static std::atomic<int64_t> count;
  count = 0;
  const auto handle = at::addThreadLocalCallback(
      at::RecordFunctionCallback([](const at::RecordFunction&) -> std::unique_ptr<at::ObserverContext> {
        ++count;
        return nullptr;
      }).scopes({at::RecordScope::FUNCTION}));
  call();
  at::removeCallback(handle);
  return count;
}

// What it adds to a step is the same for any number of RoIs, and for each image what finds its anchors.
TEST(ProposalGradient, CostsAFixedNumberOfOperators) {
  const auto extra = [](size_t of_images, int64_t rois) {
    int64_t counts[2];
    for (const auto gradient : {ProposalGradient::none, ProposalGradient::exact}) {
      Parts parts(gradient);
      auto batch = images();
      auto targets = truth();
      batch.images.resize(of_images);
      batch.sizes.resize(of_images);
      targets.resize(of_images);
      const Rpn& rpn = parts.rpn;
      RoiHeads heads(parts.pooler, parts.branch,
                     RoiHeadsOptions{.sampler = {.count = rois, .positive_fraction = 0.25}});
      FasterRcnnImpl model(parts.extractor, rpn, heads, PixelOptions{}, 32, gradient);
      model.train();
      counts[gradient == ProposalGradient::exact] = operators_in([&] { model.losses(batch, targets); });
    }
    return counts[1] - counts[0];
  };
  const auto few = extra(2, 8), many = extra(2, 200), one = extra(1, 200);
  EXPECT_GT(few, 0);
  EXPECT_EQ(few, many);
  EXPECT_LE(many - one, 24);
}

TEST(ProposalGradient, OfNothingIsFinite) {
  torch::manual_seed(16);
  const auto model = make_detection_model(config::Config::parse(kPyramid, "test").root(), kGradientClasses);
  model->train();
  const torch::NoGradGuard no_grad;
  // A tiny predicted size leaves no proposal above min_size: exp(-1000) is 0.
  at::Tensor(model->named_parameters()["rpn.head.bbox_pred.bias"]).fill_(-1000);
  const torch::AutoGradMode with_grad(true);
  const Target nothing{torch::zeros({0, 4}), torch::zeros({0}, at::kLong), torch::zeros({0, 4})};
  at::Tensor sum = torch::zeros({});
  for (const auto& loss : model->losses(images(), {nothing, nothing})) sum = sum + loss.value;
  EXPECT_TRUE(torch::isfinite(sum).item<bool>());
  sum.backward();
  for (const auto& item : model->named_parameters())
    EXPECT_TRUE(gradient_of(item.value()).isfinite().all().item<bool>()) << item.key();
}

TEST(ProposalGradient, NeedsAPoolerThatHasOne) {
  const auto make = [](const std::string& pooler, const std::string& gradient) {
    return make_detection_model(config::Config::parse(R"({"type": "faster_rcnn", "proposal_gradient": ")" +
                                                          gradient +
                                                          R"(", "backbone": {"type": "resnet18", "width": 8},
                "roi": {"pooler": {"type": ")" + pooler + R"("}, "head": {"type": "mlp", "hidden": 8}}})",
                                                      "f.json")
                                    .root(),
                                kGradientClasses);
  };
  EXPECT_NE(message_of<ConfigError>([&] {
              make("pool", "exact");
            }).find("f.json: proposal_gradient: needs a pooler with a gradient of its boxes"),
            std::string::npos);
  EXPECT_NE(message_of<ConfigError>([&] { make("align", "some"); }).find("f.json: proposal_gradient: "),
            std::string::npos);
  EXPECT_NE(message_of<ConfigError>([&] {
              make("align", R"(none", "proposal_gradient_clip": "1)");
            }).find("f.json: proposal_gradient_clip: "),
            std::string::npos);
  EXPECT_TRUE(make("pool", "none") && make("align", "inside"));

  const auto extractor = std::make_shared<Colours>();
  const auto levels = extractor->levels();
  const auto heads = make_roi_heads(
      config::Config::parse(R"({"pooler": {"type": "pool"}, "head": {"hidden": 4}})", "test").root(), levels,
      kGradientClasses);
  EXPECT_NE(error_of([&] {
              FasterRcnnImpl(extractor, Rpn(levels, RpnOptions{}), heads, {}, 32, ProposalGradient::exact);
            }).find("proposal_gradient: expected none"),
            std::string::npos);
}

}  // namespace
}  // namespace rcnn::nn
