#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <rcnn/config/config.h>
#include <rcnn/nn/backbones/backbone.h>
#include <rcnn/train/solver.h>

#include "tests/support/message_of.h"
#include "tests/support/tiny_model.h"

namespace rcnn::train {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// One parameter that learns and one that is frozen.
struct Pair : torch::nn::Module {
  Pair() {
    learning = register_parameter("learning", torch::ones({1}));
    frozen = register_parameter("frozen", torch::ones({1}), /*requires_grad=*/false);
  }
  /// One step along this gradient.
  double step(Solver& solver, float gradient) const {
    learning.mutable_grad() = torch::full({1}, gradient);
    frozen.mutable_grad() = torch::full({1}, gradient);
    solver.step();
    return learning.item<double>();
  }
  at::Tensor learning, frozen;
};

TEST(Solver, LeavesFrozenParametersOut) {
  const Pair pair;
  Solver solver(pair, {.momentum = 0, .weight_decay = 0.5});
  solver.set_learning_rate(0.25);
  ASSERT_EQ(solver.optimizer().param_groups().at(0).params().size(), 1u);
  EXPECT_EQ(pair.step(solver, 1), 0.625);
  EXPECT_EQ(pair.frozen.item<double>(), 1);
}

TEST(Solver, DoesNothingBeforeARateIsSet) {
  for (const auto type : {SolverType::sgd, SolverType::adamw}) {
    const Pair pair;
    Solver solver(pair, {.type = type});
    EXPECT_EQ(pair.step(solver, 1), 1);
  }
}

TEST(Solver, WeightDecayPullsTowardsZero) {
  const Pair pair;
  Solver solver(pair, {.momentum = 0, .weight_decay = 0.5});
  solver.set_learning_rate(0.5);
  EXPECT_EQ(pair.step(solver, 0), 0.75);
}

TEST(Solver, MomentumCarriesOnUnderARateThatChanges) {
  const Pair pair;
  Solver solver(pair, {.momentum = 0.5, .weight_decay = 0});
  solver.set_learning_rate(0.25);
  EXPECT_EQ(pair.step(solver, 1), 0.75);
  solver.set_learning_rate(0.125);
  EXPECT_EQ(pair.step(solver, 1), 0.75 - 0.125 * 1.5);
}

/// Two numbers after each of three steps.
std::vector<std::vector<double>> three_steps(const SolverOptions& options) {
  torch::nn::Module module;
  auto weight = module.register_parameter("weight", torch::tensor({1.0, -2.0}, torch::kDouble));
  Solver solver(module, options);
  std::vector<std::vector<double>> values;
  const std::vector<std::pair<double, std::vector<double>>> rates_and_gradients{
      {0.1, {0.5, -0.25}}, {0.1, {-1.0, 0.125}}, {0.05, {0.25, 2.0}}};
  for (const auto& [rate, gradient] : rates_and_gradients) {
    solver.set_learning_rate(rate);
    weight.mutable_grad() = torch::tensor(gradient, torch::kDouble);
    solver.step();
    values.push_back({weight[0].item<double>(), weight[1].item<double>()});
  }
  return values;
}

void expect_near(const std::vector<std::vector<double>>& got, const std::vector<std::vector<double>>& want) {
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_NEAR(got[i][0], want[i][0], 1e-14) << "step " << i + 1;
    EXPECT_NEAR(got[i][1], want[i][1], 1e-14) << "step " << i + 1;
  }
}

// What torch 2.11 gives in Python: p = torch.tensor([1, -2], dtype=torch.float64), then three times
// p.grad = gradient; group["lr"] = rate; step(), with AdamW(betas=(0.75, 0.5), eps=0.01, weight_decay=0.5),
// AdamW(weight_decay=1e-4) and SGD(momentum=0.5, nesterov=True, weight_decay=0.25).

TEST(Solver, AdamWIsTorchs) {
  expect_near(
      three_steps({.type = SolverType::adamw, .betas = {0.75, 0.5}, .eps = 0.01, .weight_decay = 0.5}),
      {{0.8519607843137255, -1.8038461538461537},
       {0.8501312953706679, -1.6945324639827113},
       {0.836662111703959, -1.6798375425403518}});
  expect_near(three_steps({.type = SolverType::adamw}), {{0.899990002, -1.899980004},
                                                         {0.9365913543405454, -1.8733273015816927},
                                                         {0.9434212044329792, -1.9035282141369159}});
}

TEST(Solver, NesterovIsTorchs) {
  expect_near(three_steps({.momentum = 0.5, .nesterov = true, .weight_decay = 0.25}),
              {{0.8875, -1.8875}, {0.98546875, -1.81671875}, {0.9532802734375, -1.9236318359375}});
}

struct Backbone : nn::BackboneImpl {
  Backbone() {
    conv = register_module("conv", torch::nn::Conv2d(1, 1, 1));
    norm = register_module("bn", torch::nn::BatchNorm2d(1));
  }
  std::vector<at::Tensor> forward(const at::Tensor&) override { return {}; }
  std::vector<nn::FeatureSpec> features() const override { return {}; }
  torch::nn::Conv2d conv = nullptr;
  torch::nn::BatchNorm2d norm = nullptr;
};

/// Every kind of parameter; all are 1.
struct Network : torch::nn::Module {
  Network() {
    backbone = register_module("backbone", std::make_shared<torch::nn::Module>())
                   ->register_module("body", std::make_shared<Backbone>());
    head = register_module("head", torch::nn::Linear(1, 1));
    group_norm = register_module("gn", torch::nn::GroupNorm(1, 1));
    const torch::NoGradGuard no_grad;
    for (const auto& parameter : parameters()) parameter.fill_(1);
  }
  void step(const SolverOptions& options, float gradient) const {
    Solver solver(*this, options);
    solver.set_learning_rate(0.25);
    for (const auto& parameter : parameters()) parameter.mutable_grad() = at::full_like(parameter, gradient);
    solver.step();
  }
  static double value(const at::Tensor& parameter) { return parameter.sum().item<double>(); }
  std::shared_ptr<Backbone> backbone;
  torch::nn::Linear head = nullptr;
  torch::nn::GroupNorm group_norm = nullptr;
};

TEST(Solver, BiasesHaveARateOfTheirOwn) {
  for (const auto type : {SolverType::sgd, SolverType::adamw}) {
    const Network network;
    network.step({.type = type, .eps = 0, .weight_decay = 0, .bias_lr = 2}, 1);  // both go by the rate
    const double rounding = 1e-6;  // of AdamW's square roots in float32
    EXPECT_NEAR(Network::value(network.head->weight), 0.75, rounding);
    EXPECT_NEAR(Network::value(network.head->bias), 0.5, rounding);
    EXPECT_NEAR(Network::value(network.backbone->conv->bias), 0.5, rounding);
    EXPECT_NEAR(Network::value(network.backbone->norm->bias), 0.75, rounding)
        << "a norm's bias is the norm's";
    EXPECT_NEAR(Network::value(network.group_norm->bias), 0.75, rounding);
  }
}

TEST(Solver, BiasesMayBeWithoutDecay) {
  for (const auto type : {SolverType::sgd, SolverType::adamw}) {
    const Network network;
    network.step({.type = type, .weight_decay = 1, .bias_decay = false}, 0);
    EXPECT_EQ(Network::value(network.head->weight), 0.75);
    EXPECT_EQ(Network::value(network.head->bias), 1);
    EXPECT_EQ(Network::value(network.backbone->norm->bias), 0.75);
  }
}

TEST(Solver, NormsMayBeWithoutDecay) {
  for (const auto type : {SolverType::sgd, SolverType::adamw}) {
    const Network network;
    network.step({.type = type, .weight_decay = 1, .norm_decay = false}, 0);
    EXPECT_EQ(Network::value(network.head->bias), 0.75);
    EXPECT_EQ(Network::value(network.backbone->conv->weight), 0.75);
    for (const auto& norm : {network.backbone->norm->weight, network.backbone->norm->bias,
                             network.group_norm->weight, network.group_norm->bias}) {
      EXPECT_EQ(Network::value(norm), 1);
    }
  }
}

TEST(Solver, TheBackboneHasARateOfItsOwn) {
  const Network network;
  network.step({.weight_decay = 0, .bias_lr = 2, .backbone_lr = 0.5}, 1);
  EXPECT_EQ(Network::value(network.backbone->conv->weight), 0.875);
  EXPECT_EQ(Network::value(network.backbone->norm->bias), 0.875);
  EXPECT_EQ(Network::value(network.backbone->conv->bias), 0.75);
  EXPECT_EQ(Network::value(network.head->weight), 0.75);
  EXPECT_EQ(Network::value(network.head->bias), 0.5);
}

TEST(Solver, FactorsAreOfTheLongestPatternThatMeansAParameter) {
  for (const auto type : {SolverType::sgd, SolverType::adamw}) {
    const Network network;
    network.step(
        {.type = type,
         .eps = 0,
         .weight_decay = 0,
         .bias_lr = 2,
         .factors = {{"*", {.lr = 0.5}}, {"backbone.*", {.lr = 2}}, {"backbone.body.bn*", {.lr = 0}}}},
        1);
    const double rounding = 1e-6;  // of AdamW's square roots in float32
    EXPECT_NEAR(Network::value(network.head->weight), 0.875, rounding);
    EXPECT_NEAR(Network::value(network.head->bias), 0.75, rounding) << "times bias_lr";
    EXPECT_NEAR(Network::value(network.backbone->conv->weight), 0.5, rounding);
    EXPECT_NEAR(Network::value(network.backbone->norm->weight), 1, rounding);
  }
}

TEST(Solver, FactorsOfTheDecayStandBesideTheOtherKeys) {
  const Network network;
  network.step({.weight_decay = 1,
                .bias_decay = false,
                .factors = {{"head.*", {.decay = 2}}, {"backbone.body.conv.weight", {.decay = 0}}}},
               0);
  EXPECT_EQ(Network::value(network.head->weight), 0.5);
  EXPECT_EQ(Network::value(network.head->bias), 1);
  EXPECT_EQ(Network::value(network.backbone->conv->weight), 1);
  EXPECT_EQ(Network::value(network.backbone->norm->weight), 0.75);
}

TEST(Solver, BackboneLrIsAFactorOfItsNames) {
  const auto groups = [](const SolverOptions& options) {
    const auto model = tiny_model(2);
    const Solver solver(*model, options);
    std::vector<size_t> sizes;
    for (const auto& group : solver.optimizer().param_groups()) sizes.push_back(group.params().size());
    return sizes;
  };
  EXPECT_EQ(groups({.bias_lr = 2, .backbone_lr = 0.5}),
            groups({.bias_lr = 2, .factors = {{"backbone.body.*", {.lr = 0.5}}}}));
}

TEST(Solver, ByDefaultThereIsOneGroupInTheModulesOrder) {
  const auto model = tiny_model(2);
  const Solver solver(*model, {});
  ASSERT_EQ(solver.optimizer().param_groups().size(), 1u);
  const auto& params = solver.optimizer().param_groups()[0].params();
  const auto want = model->parameters();
  ASSERT_EQ(params.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) EXPECT_TRUE(params[i].is_same(want[i])) << i;
}

/// rpn.head.`name` with a weight and a bias of its own.
struct ScoreRows : torch::nn::Module {
  ScoreRows(const std::string& name, const at::Tensor& weight, const at::Tensor& bias)
      : layer(std::make_shared<torch::nn::Module>()) {
    layer->register_parameter("weight", weight.clone());
    layer->register_parameter("bias", bias.clone());
    const auto rpn = register_module("rpn", std::make_shared<torch::nn::Module>());
    rpn->register_module("head", std::make_shared<torch::nn::Module>())->register_module(name, layer);
  }
  at::Tensor parameter(const char* name) const { return layer->named_parameters()[name]; }
  std::shared_ptr<torch::nn::Module> layer;
};

// Faster R-CNN's softmax over two scores of an anchor depends on their difference alone: what comes back to
// the two rows is a gradient and its opposite.
TEST(Solver, TheLogitOfTheCaffeConfigsMovesLikeTheDifferenceOfTwoRows) {
  SolverOptions logit_options;
  logit_options.read(
      config::Config::load(RCNN_CONFIGS "/faster_rcnn/vgg16_voc07.json").root().child("train"));
  EXPECT_EQ(logit_options.weight_decay, 0.0005);
  EXPECT_EQ(logit_options.bias_lr, 2);
  EXPECT_TRUE(logit_options.bias_decay);
  logit_options.weight_decay = 0.5;  // so that it shows
  auto row_options = logit_options;
  row_options.factors = {};
  torch::manual_seed(1);
  const auto weight = torch::randn({2, 2}), bias = torch::randn({2});
  const ScoreRows rows("rpn_cls_score", weight, bias);
  const ScoreRows logit("cls_logits", weight[1] - weight[0], bias[1] - bias[0]);
  Solver row_solver(rows, row_options), logit_solver(logit, logit_options);
  for (int step = 0; step < 5; ++step) {
    for (const char* name : {"weight", "bias"}) {
      const auto gradient = torch::randn_like(logit.parameter(name).detach());
      logit.parameter(name).mutable_grad() = gradient;
      rows.parameter(name).mutable_grad() = at::stack({-gradient, gradient});
    }
    for (auto* solver : {&row_solver, &logit_solver}) {
      solver->set_learning_rate(0.1);
      solver->step();
    }
    for (const char* name : {"weight", "bias"}) {
      const auto of_rows = rows.parameter(name).detach(), of_logit = logit.parameter(name).detach();
      EXPECT_TRUE(at::allclose(of_logit, of_rows[1] - of_rows[0], 1e-5, 1e-6)) << name << " in step " << step;
    }
  }
}

TEST(Solver, CaffesRecipeTouchesEveryParameterOnce) {
  const auto model = tiny_model(2);
  const Solver solver(*model, {.bias_lr = 2});
  ASSERT_EQ(solver.optimizer().param_groups().size(), 2u);
  size_t count = 0;
  for (const auto& group : solver.optimizer().param_groups()) count += group.params().size();
  EXPECT_EQ(count, model->parameters().size());
}

TEST(Solver, ClipsTheNormOfAllGradientsTogether) {
  torch::nn::Module module;
  const auto a = module.register_parameter("a", torch::zeros({1}, torch::kDouble));
  const auto b = module.register_parameter("b", torch::zeros({2}, torch::kDouble));
  const auto idle = module.register_parameter("idle", torch::ones({1}, torch::kDouble));
  Solver solver(module, {.momentum = 0, .weight_decay = 0, .clip_norm = 6.5});
  solver.set_learning_rate(1);
  const auto step = [&](double scale) {
    a.mutable_grad() = torch::full({1}, 3 * scale, torch::kDouble);
    b.mutable_grad() = torch::tensor({4 * scale, 12 * scale}, torch::kDouble);  // 13 for a scale of 1
    solver.step();
  };
  step(0.5);  // at the limit: as it is but for torch's 1e-6
  EXPECT_NEAR(a.item<double>(), -1.5, 1e-6);
  step(1);
  EXPECT_NEAR(a.item<double>(), -1.5 - 1.5, 1e-6);
  EXPECT_NEAR(b[1].item<double>(), -6 - 6, 2e-6);
  step(0.25);  // below: untouched
  EXPECT_NEAR(b[1].item<double>(), -12 - 3, 2e-6);
  EXPECT_EQ(idle.item<double>(), 1);
}

SolverOptions solver_options(const std::string& text) {
  SolverOptions options;
  const auto config = config::Config::parse(text, "here");
  options.read(config.root());
  config.root().finish();
  return options;
}

TEST(SolverOptions, EveryKeyArrives) {
  const auto sgd =
      solver_options(R"({"solver": "sgd", "momentum": 0.5, "nesterov": true, "weight_decay": 0.25,
      "bias_lr": 2, "bias_decay": false, "norm_decay": false, "backbone_lr": 0.125, "clip_norm": 35,
      "factors": {"rpn.*": {"lr": 3}, "*.bias": {"decay": 0.5}}})");
  ASSERT_EQ(sgd.factors.size(), 2u);
  EXPECT_EQ(sgd.factors.at("rpn.*").lr, 3);
  EXPECT_EQ(sgd.factors.at("rpn.*").decay, 1);
  EXPECT_EQ(sgd.factors.at("*.bias").decay, 0.5);
  EXPECT_EQ(sgd.type, SolverType::sgd);
  EXPECT_EQ(sgd.momentum, 0.5);
  EXPECT_TRUE(sgd.nesterov);
  EXPECT_EQ(sgd.weight_decay, 0.25);
  EXPECT_EQ(sgd.bias_lr, 2);
  EXPECT_FALSE(sgd.bias_decay);
  EXPECT_FALSE(sgd.norm_decay);
  EXPECT_EQ(sgd.backbone_lr, 0.125);
  EXPECT_EQ(sgd.clip_norm, 35);
  const auto adamw = solver_options(R"({"solver": "adamw", "betas": [0.5, 0.75], "eps": 0.125})");
  EXPECT_EQ(adamw.type, SolverType::adamw);
  EXPECT_THAT(adamw.betas, testing::ElementsAre(0.5, 0.75));
  EXPECT_EQ(adamw.eps, 0.125);
}

TEST(SolverOptions, AKeyOfTheOtherSolverIsRefused) {
  for (const char* text :
       {R"({"betas": [0.9, 0.99]})", R"({"eps": 1e-8})", R"({"solver": "adamw", "momentum": 0.9})",
        R"({"solver": "adamw", "nesterov": false})"}) {
    EXPECT_THAT(message_of<ConfigError>([&] { solver_options(text); }),
                HasSubstr("has no meaning with solver"))
        << text;
  }
}

TEST(SolverOptions, WrongValuesAreNamed) {
  EXPECT_THAT(message_of<ConfigError>([] { solver_options(R"({"solver": "adam"})"); }),
              AllOf(HasSubstr("solver"), HasSubstr("did you mean adamw?")));
  EXPECT_THAT(message_of<ConfigError>([] { solver_options(R"({"nesterov": true, "momentum": 0})"); }),
              HasSubstr("nesterov: needs a momentum"));
  for (const char* betas : {"[0.9]", "[1, 0.9]", "[0.9, 1]", "[-0.1, 0.9]", "[0.9, 0.9, 0.9]"}) {
    const auto text = std::string(R"({"solver": "adamw", "betas": )") + betas + "}";
    EXPECT_THAT(message_of<ConfigError>([&] { solver_options(text); }), HasSubstr("betas")) << betas;
  }
  EXPECT_THAT(message_of<ConfigError>([] { solver_options(R"({"factors": {"rpn.*": {"rate": 1}}})"); }),
              HasSubstr(R"(here: factors."rpn.*".rate: unknown key)"));
  EXPECT_THAT(message_of<ConfigError>([] { solver_options(R"({"factors": {"rpn.*": {"lr": -1}}})"); }),
              HasSubstr(R"(here: factors."rpn.*".lr: must be at least 0)"));
  EXPECT_THAT(message_of<ConfigError>([] { solver_options(R"({"factors": {"rpn.*": 1}})"); }),
              HasSubstr(R"(here: factors."rpn.*": must be an object)"));
  for (const char* key : {"bias_lr", "backbone_lr", "clip_norm", "weight_decay"}) {
    EXPECT_THAT(message_of<ConfigError>([&] { solver_options(std::string("{\"") + key + "\": -1}"); }),
                HasSubstr(key));
  }
}

/// One layer under two names, and a gradient of 1 everywhere.
struct Shared : torch::nn::Module {
  Shared() {
    register_module("a", layer);
    register_module("b", layer);
    const torch::NoGradGuard no_grad;
    for (auto& parameter : layer->parameters()) {
      parameter.fill_(1);
      parameter.mutable_grad() = torch::ones_like(parameter);
    }
  }
  torch::nn::Linear layer{1, 1};
};

TEST(Solver, AnyNameOfAModuleUnderTwoCounts) {
  Shared module;
  Solver solver(module, {.momentum = 0, .weight_decay = 0, .factors = {{"b.weight", {.lr = 0}}}});
  solver.set_learning_rate(0.5);
  solver.step();
  EXPECT_EQ(module.layer->weight.item<double>(), 1);
  EXPECT_EQ(module.layer->bias.item<double>(), 0.5);
}

TEST(Solver, AModuleUnderTwoNamesIsSteppedOnce) {
  for (const auto type : {SolverType::sgd, SolverType::adamw}) {
    Shared module;
    Solver solver(module, {.type = type, .weight_decay = 0});
    EXPECT_EQ(solver.gradients().size(), 2u);
    solver.set_learning_rate(0.1);
    solver.step();
    for (const auto& parameter : module.layer->parameters()) EXPECT_NEAR(parameter.item<double>(), 0.9, 1e-6);
    // Its state is there once, and goes on.
    const auto state = solver.state();
    EXPECT_EQ(state.size(), type == SolverType::sgd ? 2u : 6u);
    for (const auto& [name, tensor] : state) EXPECT_TRUE(name.starts_with("a.")) << name;
    Shared other;
    Solver again(other, {.type = type, .weight_decay = 0});
    again.restore(state);
    again.set_learning_rate(0.1);
    again.step();
    solver.step();
    EXPECT_NEAR(other.layer->weight.item<double>() - 1, module.layer->weight.item<double>() - 0.9, 1e-6);
  }
}

TEST(Solver, TheNormOfGradientsCountsAModuleUnderTwoNamesOnce) {
  Shared module;
  Solver solver(module, {.momentum = 0, .weight_decay = 0, .clip_norm = 1});
  solver.set_learning_rate(1);
  solver.step();
  EXPECT_NEAR(module.layer->weight.item<double>(), 1 - 1 / std::sqrt(2.0), 1e-5);
}

}  // namespace
}  // namespace rcnn::train
