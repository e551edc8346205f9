#include <gtest/gtest.h>
#include <torch/torch.h>

#include <rcnn/train/ema.h>

namespace rcnn::train {
namespace {

/// Everything that a module may hold.
struct Four : torch::nn::Module {
  Four() {
    learning = register_parameter("learning", torch::full({2}, 8.0));
    frozen = register_parameter("frozen", torch::full({1}, 8.0), /*requires_grad=*/false);
    statistic = register_buffer("statistic", torch::full({1}, 8.0));
    count = register_buffer("count", torch::full({1}, 8, at::kLong));
  }
  void set(double value) const {
    const torch::NoGradGuard no_grad;
    learning.fill_(value);
    statistic.fill_(value);
    count.fill_(value);
  }
  at::Tensor learning, frozen, statistic, count;
};

double value_of(const at::Tensor& tensor) {
  return tensor[0].item<double>();
}

TEST(Ema, KeepsItsDecayOfTheAverage) {
  const Four module;
  Ema ema(module, 0.125);  // below what the first updates may keep
  module.set(16);
  ema.update();  // 8 / 8 + 16 * 7 / 8
  module.set(7);
  ema.update();
  ema.swap();
  EXPECT_EQ(value_of(module.learning), 15.0 / 8 + 7.0 * 7 / 8);
  EXPECT_EQ(value_of(module.statistic), 15.0 / 8 + 7.0 * 7 / 8);
}

TEST(Ema, TheFirstUpdatesKeepLess) {
  const Four module;
  Ema ema(module, 0.999);
  module.set(0);
  ema.update();
  ema.update();
  ema.swap();
  EXPECT_FLOAT_EQ(module.learning[1].item<float>(), 8.0f * 2 / 11 * 3 / 12);
}

TEST(Ema, LeavesWhatDoesNotLearnAndWhatIsNoFraction) {
  const Four module;
  Ema ema(module, 0.5);
  module.set(16);
  ema.update();
  ema.swap();
  EXPECT_EQ(value_of(module.frozen), 8);
  EXPECT_EQ(value_of(module.count), 16);
}

TEST(Ema, AModuleIsItselfAgainAfterTwoSwaps) {
  const uint64_t seed = 5;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  torch::manual_seed(seed);
  const Four module;
  Ema ema(module, 0.9);
  {
    const torch::NoGradGuard no_grad;
    module.learning.copy_(torch::randn({2}));
  }
  const auto before = module.learning.detach().clone();
  const auto* data = module.learning.data_ptr();
  ema.update();
  ema.swap();
  EXPECT_FALSE(at::equal(module.learning, before));
  ema.swap();
  EXPECT_TRUE(at::equal(module.learning, before));
  EXPECT_EQ(module.learning.data_ptr(), data);
  EXPECT_TRUE(module.learning.requires_grad());
}

TEST(Ema, AModuleUnderTwoNamesHasOneAverage) {
  torch::nn::Module module;
  const auto layer = std::make_shared<Four>();
  module.register_module("a", layer);
  module.register_module("b", layer);
  Ema ema(module, 0.125);
  EXPECT_EQ(ema.state().size(), 3u);  // a.learning, a.statistic and the number of updates
  layer->set(16);
  ema.update();
  ema.swap();
  EXPECT_EQ(value_of(layer->learning), 8.0 / 8 + 16.0 * 7 / 8);
  ema.swap();
  EXPECT_EQ(value_of(layer->learning), 16);
}

}  // namespace
}  // namespace rcnn::train
