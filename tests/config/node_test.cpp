#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/config/config.h>
#include <rcnn/config/node.h>

namespace rcnn::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Node root_of(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return Config::parse(text, "x.json", overrides).root();
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

template <class T>
std::string read_error(const std::string& value) {
  const Node node = root_of(R"({"in": {"key": )" + value + "}}").child("in");
  T ignored{};
  return error_of([&] { node.read("key", ignored); });
}

TEST(NodeTest, ReadsEveryType) {
  const Node node = root_of(R"({"flag": true, "count": -3, "rate": 0.5, "name": "vgg16",
                                "counts": [1, 2], "rates": [0.5, 1], "names": ["a", "b"]})");
  bool flag = false;
  int64_t count = 0;
  double rate = 0;
  std::string name;
  std::vector<int64_t> counts;
  std::vector<double> rates;
  std::vector<std::string> names;
  node.read("flag", flag);
  node.read("count", count);
  node.read("rate", rate);
  node.read("name", name);
  node.read("counts", counts);
  node.read("rates", rates);
  node.read("names", names);
  node.finish();
  EXPECT_TRUE(flag);
  EXPECT_EQ(count, -3);
  EXPECT_EQ(rate, 0.5);
  EXPECT_EQ(name, "vgg16");
  EXPECT_THAT(counts, ElementsAre(1, 2));
  EXPECT_THAT(rates, ElementsAre(0.5, 1.0));
  EXPECT_THAT(names, ElementsAre("a", "b"));
}

TEST(NodeTest, AnAbsentKeyLeavesTheDefault) {
  const Node node = root_of("{}");
  int64_t count = 7;
  std::vector<double> rates = {0.5};
  node.read("count", count);
  node.read("rates", rates);
  EXPECT_EQ(count, 7);
  EXPECT_THAT(rates, ElementsAre(0.5));
}

TEST(NodeTest, AnAbsentObjectIsEmpty) {
  const Node node = root_of("{}").child("model").child("rpn");
  int64_t count = 7;
  node.read("count", count);
  EXPECT_EQ(count, 7);
  EXPECT_FALSE(node.has("count"));
  node.finish();
}

TEST(NodeTest, AnIntegerIsNoFloatNorBool) {
  EXPECT_EQ(read_error<int64_t>("3.7"), "x.json: in.key: must be an integer, not 3.7");
  EXPECT_EQ(read_error<int64_t>("3.0"), "x.json: in.key: must be an integer, not 3.0");
  EXPECT_EQ(read_error<int64_t>("true"), "x.json: in.key: must be an integer, not true");
  EXPECT_EQ(read_error<int64_t>("\"3\""), "x.json: in.key: must be an integer, not \"3\"");
  EXPECT_EQ(read_error<int64_t>("1e3"), "x.json: in.key: must be an integer, not 1000.0");
  EXPECT_EQ(read_error<int64_t>("5000000000"), "no error");
}

TEST(NodeTest, OtherTypesAreRefusedToo) {
  EXPECT_EQ(read_error<bool>("1"), "x.json: in.key: must be true or false, not 1");
  EXPECT_EQ(read_error<double>("true"), "x.json: in.key: must be a number, not true");
  EXPECT_EQ(read_error<double>("3"), "no error");
  EXPECT_EQ(read_error<std::string>("3"), "x.json: in.key: must be a string, not 3");
  EXPECT_EQ(read_error<std::string>("{\"a\": 1}"), "x.json: in.key: must be a string, not an object");
  EXPECT_EQ(read_error<std::vector<double>>("3"), "x.json: in.key: must be a list, not 3");
  EXPECT_EQ(read_error<std::vector<int64_t>>("[1, 2.5]"),
            "x.json: in.key: element 2 must be an integer, not 2.5");
  EXPECT_EQ(read_error<std::vector<std::string>>("[[]]"),
            "x.json: in.key: element 1 must be a string, not a list");
}

TEST(NodeTest, AnErrorLeavesTheValue) {
  const Node node = root_of(R"({"counts": [1, "x"], "rate": 2})");
  std::vector<int64_t> counts = {9};
  double rate = 0.5;
  EXPECT_THROW(node.read("counts", counts), ConfigError);
  EXPECT_THROW(node.read("rate", rate, {0, 1}), ConfigError);
  EXPECT_THAT(counts, ElementsAre(9));
  EXPECT_EQ(rate, 0.5);
}

TEST(NodeTest, RangesIncludeTheirBounds) {
  const Node node = root_of(R"({"low": 0, "high": 1.0, "count": -1, "rates": [0.5, 1.5]})");
  double rate = 0;
  int64_t count = 0;
  std::vector<double> rates;
  node.read("low", rate, {0, 1});
  node.read("high", rate, {0, 1});
  EXPECT_EQ(rate, 1.0);
  EXPECT_EQ(error_of([&] { node.read("count", count, {.min = 0}); }),
            "x.json: count: must be at least 0, not -1");
  EXPECT_EQ(error_of([&] { node.read("count", count, {.max = -2}); }),
            "x.json: count: must be at most -2, not -1");
  EXPECT_EQ(error_of([&] {
              node.read("rates", rates, {0, 1});
            }),
            "x.json: rates: element 2 must be between 0 and 1, not 1.5");
}

enum class Mode { kCaffe, kTorchvision };

TEST(NodeTest, ReadsOneOfAFewWords) {
  const auto read = [](const std::string& text) {
    Mode mode = Mode::kTorchvision;
    root_of(text).read("mode", mode, {{"caffe", Mode::kCaffe}, {"torchvision", Mode::kTorchvision}});
    return mode;
  };
  EXPECT_EQ(read(R"({"mode": "caffe"})"), Mode::kCaffe);
  EXPECT_EQ(read("{}"), Mode::kTorchvision);
  EXPECT_EQ(error_of([&] { read(R"({"mode": "torchvison"})"); }),
            "x.json: mode: must be one of caffe, torchvision, not torchvison; did you mean torchvision?");
  EXPECT_EQ(error_of([&] { read(R"({"mode": "mxnet"})"); }),
            "x.json: mode: must be one of caffe, torchvision, not mxnet");
  EXPECT_EQ(error_of([&] { read(R"({"mode": 3})"); }), "x.json: mode: must be a string, not 3");
}

TEST(NodeTest, RequireNamesTheAbsentKey) {
  const Node node = root_of(R"({"model": {"name": "vgg16"}})").child("model");
  EXPECT_EQ(node.require("name"), "vgg16");
  EXPECT_EQ(error_of([&] { node.require("weights"); }), "x.json: model.weights: is required");
}

TEST(NodeTest, AChildMustBeAnObject) {
  const Node node = root_of(R"({"model": 3})");
  EXPECT_EQ(error_of([&] { node.child("model"); }), "x.json: model: must be an object, not 3");
}

TEST(NodeTest, FinishRefusesWhatNobodyAskedFor) {
  const Config config = Config::parse(R"({"model": {"rpn": {"nms_treshold": 0.7, "weird": 1}}})", "x.json");
  const Node rpn = config.root().child("model").child("rpn");
  double threshold = 0.7;
  rpn.read("nms_threshold", threshold);
  rpn.has("pre_nms");
  EXPECT_EQ(error_of([&] { rpn.finish(); }),
            "x.json: model.rpn.nms_treshold: unknown key; did you mean nms_threshold?");
  rpn.has("nms_treshold");
  EXPECT_EQ(error_of([&] { rpn.finish(); }), "x.json: model.rpn.weird: unknown key");
  config.root().child("model").child("rpn").has("weird");
  rpn.finish();  // it does not matter which view of the object was asked
}

TEST(NodeTest, FinishNamesThePlaceTheKeyCameFrom) {
  const Node node = root_of(R"({"train": {"lr": 1}})", {"train.itterations=3"}).child("train");
  double ignored = 0;
  node.read("lr", ignored);
  node.has("iterations");
  EXPECT_EQ(error_of([&] { node.finish(); }),
            "command line: train.itterations: unknown key; did you mean iterations?");
}

TEST(NodeTest, SuggestionsAreCloseOrAbsent) {
  const auto finish = [](const std::string& key) {
    const Node node = root_of("{\"" + key + "\": 1}");
    for (const auto* known : {"lr", "batch", "momentum", "x"}) node.has(known);
    return error_of([&] { node.finish(); });
  };
  EXPECT_THAT(finish("btach"), HasSubstr("did you mean batch?"));
  EXPECT_THAT(finish("momentun"), HasSubstr("did you mean momentum?"));
  EXPECT_EQ(finish("lr2"), "x.json: lr2: unknown key; did you mean lr?");
  EXPECT_EQ(finish("y"), "x.json: y: unknown key");
  EXPECT_EQ(finish("iterations"), "x.json: iterations: unknown key");
}

TEST(NodeTest, FinishNamesTheChoiceThatHasNoSuchKeyAndTheWayOut) {
  const Node model = root_of(R"({"model": {"type": "rpn", "roi": {}, "waights": 1}})").child("model");
  for (const auto* known : {"type", "weights"}) model.has(known);
  EXPECT_EQ(error_of([&] { model.finish("type rpn"); }),
            "x.json: model.roi: unknown key: type rpn has none; model.roi=null takes an inherited one away");
  model.has("roi");
  EXPECT_EQ(error_of([&] { model.finish("type rpn"); }),
            "x.json: model.waights: unknown key: type rpn has none; did you mean weights?");
}

TEST(NodeTest, ThreadsMayReadTheSameConfig) {
  const Config config = Config::parse(R"({"a": {"b": 1}})", "x.json");
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&config, t] {
      for (int i = 0; i < 100; ++i) {
        int64_t value = 0;
        const Node node = config.root().child("a");
        node.read("b", value);
        node.has(std::to_string(t * 100 + i));
        node.finish();
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST(NodeTest, ListsOfObjectsHaveAViewEach) {
  const auto root =
      Config::parse(R"({"stages": [{"name": "a"}, {"name": 3, "more": 1}], "one": {}, "odd": [{}, 1]})",
                    "x.json")
          .root();
  const auto stages = root.list("stages");
  ASSERT_EQ(stages.size(), 2u);
  EXPECT_EQ(stages[0].require("name"), "a");
  EXPECT_EQ(error_of([&] { stages[1].require("name"); }), "x.json: stages.2.name: must be a string, not 3");
  EXPECT_EQ(error_of([&] { stages[1].finish(); }), "x.json: stages.2.more: unknown key");
  EXPECT_TRUE(root.list("none").empty());
  EXPECT_TRUE(root.is_list("stages"));
  EXPECT_FALSE(root.is_list("one"));
  EXPECT_FALSE(root.is_list("none"));
  EXPECT_TRUE(root.is_object("one"));
  EXPECT_FALSE(root.is_object("stages"));
  EXPECT_FALSE(root.is_object("none"));
  EXPECT_EQ(error_of([&] { root.list("one"); }), "x.json: one: must be a list, not an object");
  EXPECT_EQ(error_of([&] { root.list("odd"); }), "x.json: odd.2: must be an object, not 1");
}

TEST(NodeTest, KeysWithoutMeaningAreRefused) {
  const auto root = Config::parse(R"({"eps": 1})", "x.json").root();
  root.refuse({"momentum"}, "solver adamw");
  EXPECT_EQ(error_of([&] {
              root.refuse({"momentum", "eps"}, "solver sgd");
            }),
            "x.json: eps: has no meaning with solver sgd; eps=null takes an inherited one away");
}

}  // namespace
}  // namespace rcnn::config
