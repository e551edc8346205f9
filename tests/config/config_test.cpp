#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <rcnn/config/config.h>

#include "tests/support/german_locale.h"

namespace rcnn::config {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ConfigTest : public testing::Test {
 protected:
  ConfigTest() { fs::create_directories(folder_); }
  ~ConfigTest() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  std::string write(const std::string& name, const std::string& text) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
    return path(name);
  }

 private:
  const fs::path folder_ = fs::path(testing::TempDir()) / ("rcnn_config_test." + std::to_string(getpid()));
};

std::string compact(const Config& config) {
  std::string text;
  for (const auto& entry : config.entries()) text += entry.key + "=" + entry.value + " ";
  return text;
}

std::string load_error(const std::string& file, const std::vector<std::string>& overrides = {}) {
  try {
    Config::load(file, overrides);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

std::string parse_error(const std::string& text, const std::vector<std::string>& overrides = {}) {
  try {
    Config::parse(text, "x.json", overrides);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

std::string with(const std::string& text, const std::vector<std::string>& overrides) {
  return compact(Config::parse(text, "x.json", overrides));
}

TEST_F(ConfigTest, BasesMergeLeftToRightAndThenTheFile) {
  write("base/model.json", R"({"model": {"name": "vgg16", "sizes": [128, 256]}, "seed": 1})");
  write("base/schedule.json", R"({"train": {"lr": 0.001, "iterations": 70000}, "seed": 2})");
  const auto file = write("voc/run.json", R"({
    "_base_": ["../base/model.json", "../base/schedule.json"],
    "train": {"iterations": 80000}, "model": {"sizes": [64]}})");
  EXPECT_EQ(compact(Config::load(file)),
            R"(model.name="vgg16" model.sizes=[64] seed=2 train.lr=0.001 train.iterations=80000 )");
}

TEST_F(ConfigTest, ABaseMayHaveBasesAndBeNamedTwice) {
  write("a.json", R"({"a": 1, "x": "a"})");
  write("b.json", R"({"_base_": "a.json", "b": 1, "x": "b"})");
  write("c.json", R"({"_base_": "a.json", "c": 1})");
  const auto file = write("d.json", R"({"_base_": ["b.json", "c.json"]})");
  EXPECT_EQ(compact(Config::load(file)), R"(a=1 x="a" b=1 c=1 )");
}

TEST_F(ConfigTest, NullDeletesWhatWasInherited) {
  write("a.json", R"({"keep": 1, "drop": 1, "in": {"keep": 1, "drop": {"deep": 1}}, "never": null})");
  const auto file =
      write("b.json", R"({"_base_": "a.json", "drop": null, "in": {"drop": null}, "absent": null})");
  EXPECT_EQ(compact(Config::load(file)), "keep=1 in.keep=1 ");
}

TEST_F(ConfigTest, ReplaceDropsTheInheritedObject) {
  write("a.json", R"({"neck": {"name": "fpn", "channels": 256}, "other": {"x": 1}})");
  const auto file = write("b.json", R"({"_base_": "a.json",
    "neck": {"_replace_": true, "name": "none"}, "other": {"_replace_": false, "y": 2}})");
  EXPECT_EQ(compact(Config::load(file)), R"(neck.name="none" other.x=1 other.y=2 )");
  const auto all = write("c.json", R"({"_base_": "a.json", "_replace_": true, "x": 1})");
  EXPECT_EQ(compact(Config::load(all)), "x=1 ");
  EXPECT_THAT(parse_error(R"({"a": {"_replace_": 1}})"),
              HasSubstr("x.json: a._replace_: must be true or false"));
}

TEST_F(ConfigTest, AnObjectReplacesAScalarAndTheReverse) {
  write("a.json", R"({"x": 1, "y": {"z": 1}})");
  const auto file = write("b.json", R"({"_base_": "a.json", "x": {"z": 2}, "y": 2})");
  EXPECT_EQ(compact(Config::load(file)), "x.z=2 y=2 ");
}

TEST_F(ConfigTest, ACycleOfBasesIsRefused) {
  const auto a = write("a.json", R"({"_base_": "sub/b.json"})");
  write("sub/b.json", R"({"_base_": "../sub/../a.json"})");
  EXPECT_EQ(load_error(a), path("sub/b.json") + ": _base_: " + path("a.json") +
                               " is already one of the files that lead here");
  const auto itself = write("itself.json", R"({"_base_": "itself.json"})");
  EXPECT_THAT(load_error(itself), HasSubstr("already one of the files"));
}

TEST_F(ConfigTest, AMissingFileIsNamedWithTheFileThatNamesIt) {
  EXPECT_EQ(load_error(path("none.json")),
            "cannot read " + path("none.json") + ": No such file or directory");
  const auto file = write("a.json", R"({"_base_": "none.json"})");
  EXPECT_EQ(load_error(file),
            file + ": _base_: cannot read " + path("none.json") + ": No such file or directory");
  EXPECT_THAT(load_error(testing::TempDir()), HasSubstr("Is a directory"));
}

TEST_F(ConfigTest, BasesMustBeFileNamesAtTheTopOfAFile) {
  EXPECT_THAT(load_error(write("a.json", R"({"_base_": 3})")),
              HasSubstr("_base_: must be a file name or a list"));
  EXPECT_THAT(load_error(write("a.json", R"({"_base_": ["x", 3]})")),
              HasSubstr("_base_: must be a file name"));
  EXPECT_THAT(load_error(write("a.json", R"({"in": {"_base_": "b.json"}})")),
              HasSubstr("in._base_: only the outermost object of a file"));
  EXPECT_THAT(parse_error(R"({"_base_": "b.json"})"),
              HasSubstr("_base_: only the outermost object of a file"));
}

TEST_F(ConfigTest, CommentsAreAllowed) {
  EXPECT_EQ(with("{ // learning rate\n \"lr\": /* linear scaling */ 0.02 }", {}), "lr=0.02 ");
}

TEST_F(ConfigTest, SyntaxErrorsNameTheFileAndTheLine) {
  EXPECT_THAT(parse_error("{\"a\": 1,\n \"b\": tru}"), AllOf(HasSubstr("x.json: "), HasSubstr("line 2")));
  EXPECT_THAT(parse_error("{\"a\": 1,\n}"), HasSubstr("line 2"));
  EXPECT_THAT(parse_error("{\n\"a\": \"\xff\"}"), AllOf(HasSubstr("line 2"), HasSubstr("UTF-8")));
  EXPECT_THAT(parse_error("{\"a\": 1} trailing"), HasSubstr("line 1"));
  EXPECT_THAT(parse_error(""), HasSubstr("line 1"));
  EXPECT_THAT(parse_error("{\"a\": NaN}"), HasSubstr("line 1"));
}

TEST_F(ConfigTest, WhatJsonReadersLetPassIsRefused) {
  EXPECT_EQ(parse_error(R"({"train": {"lr": 1, "b": {"lr": 2}, "lr": 2}})"),
            "x.json: train.lr: duplicate key");
  EXPECT_EQ(parse_error(R"({"a": 9223372036854775808})"), "x.json: a: 9223372036854775808 is too large");
  EXPECT_EQ(parse_error(R"({"a": [99999999999999999999]})"), "x.json: a: 99999999999999999999 is too large");
  EXPECT_THAT(parse_error(R"({"a": 1e999})"), HasSubstr("1e999"));
  EXPECT_THAT(parse_error(R"({"a.b": 1})"), HasSubstr("must not be empty nor hold a dot"));
  EXPECT_THAT(parse_error(R"({"": 1})"), HasSubstr("must not be empty nor hold a dot"));
  EXPECT_THAT(parse_error("[1, 2]"), HasSubstr("a config is an object"));
  EXPECT_THAT(parse_error("3"), HasSubstr("a config is an object"));
}

TEST_F(ConfigTest, NestingIsLimitedTo64) {
  const auto lists = [](size_t depth) {
    return R"({"a": )" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
  };
  EXPECT_EQ(parse_error(lists(64)), "no error");
  EXPECT_THAT(parse_error(lists(65)), HasSubstr("nested too deeply"));
  EXPECT_THAT(parse_error(lists(10'000'000)), HasSubstr("nested too deeply"));

  std::string key = "a";
  for (int i = 1; i < 63; ++i) key += ".a";
  EXPECT_EQ(parse_error("{}", {key + "=[1]"}), "no error");
  EXPECT_THAT(parse_error("{}", {key + "=[[1]]"}), HasSubstr("nested too deeply"));
  EXPECT_NE(parse_error("{}", {key + ".a.a=1"}), "no error");
}

TEST_F(ConfigTest, OverridesAreJsonOrElseText) {
  const std::string text = R"({"train": {"lr": 0.1, "steps": [1, 2]}, "name": "a"})";
  EXPECT_EQ(with(text, {"train.lr=0.5", "train.steps=[3]", "name=a=b c"}),
            R"(train.lr=0.5 train.steps=[3] name="a=b c" )");
  EXPECT_EQ(with(text, {"name=", "train=null"}), R"(name="" )");
  EXPECT_EQ(with(text, {R"(name="true")", R"(train={"lr": 1})"}),
            R"(train.lr=1 train.steps=[1,2] name="true" )");
  EXPECT_EQ(with(text, {"name=1", "name=2"}), "train.lr=0.1 train.steps=[1,2] name=2 ")
      << "the last one counts";
  EXPECT_EQ(with("{}", {"model.rpn.nms_threshold=0.7"}), "model.rpn.nms_threshold=0.7 ");
}

TEST_F(ConfigTest, MalformedOverridesAreRefused) {
  const std::string text = R"({"train": {"lr": 0.1}})";
  EXPECT_THAT(parse_error(text, {"train.lr"}),
              AllOf(HasSubstr("command line: train.lr: "), HasSubstr("key=value")));
  for (const std::string key : {"", ".", "train.", ".lr", "train..lr"}) {
    EXPECT_THAT(parse_error(text, {key + "=1"}), HasSubstr("a key is names with dots between them")) << key;
  }
  EXPECT_EQ(parse_error(text, {"train.lr.x=1"}), "command line: train.lr.x: train.lr is 0.1, not an object");
  EXPECT_EQ(parse_error(text, {"train.lr=99999999999999999999"}),
            "command line: train.lr: 99999999999999999999 is too large");
  EXPECT_EQ(parse_error(text, {"train.lr={\"a\": 1, \"a\": 2}"}), "command line: train.lr: a: duplicate key");
  EXPECT_EQ(parse_error(text, {"train.lr=\xff"}), "command line: train.lr: not valid UTF-8");
}

TEST_F(ConfigTest, NamesOfParametersAreKeysWithDots) {
  const std::string text = R"({"train": {"factors": {"rpn.*": {"lr": 2}, "all": {"lr": 3}}}})";
  EXPECT_EQ(with(text, {}), R"(train.factors."rpn.*".lr=2 train.factors.all.lr=3 )");
  EXPECT_EQ(with(text, {R"(train.factors."rpn.*".lr=5)", R"(train.factors."roi.*".decay=0)"}),
            R"(train.factors."rpn.*".lr=5 train.factors.all.lr=3 train.factors."roi.*".decay=0 )");
  EXPECT_EQ(with(text, {R"(train.factors."rpn.*"=null)"}), "train.factors.all.lr=3 ");
  EXPECT_THAT(parse_error(R"({"factors": {"a.b": {"c.d": 1}}})"),
              HasSubstr(R"(factors."a.b"."c.d": a key must not be empty nor hold a dot)"));
  for (const char* key : {R"("rpn.*)", R"("rpn.*"x)", R"("")"})
    EXPECT_THAT(parse_error(text, {std::string("train.factors.") + key + "=1"}), HasSubstr("a key is names"))
        << key;
  const auto factors = Config::parse(text, "x.json").root().child("train").child("factors");
  EXPECT_THAT(factors.keys(), testing::ElementsAre("rpn.*", "all"));
  double lr = 0;
  factors.child("rpn.*").read("lr", lr);
  EXPECT_EQ(lr, 2);
}

TEST_F(ConfigTest, AnObjectOfItIsLaidOverIt) {
  const auto config = Config::parse(
      R"({"a": {"x": 1, "y": [1]}, "b": 2, "parts": [{"with": {"a": {"x": 3, "y": null, "z": 4}}}]})",
      "x.json");
  const auto merged =
      config.without("parts").merged(config.root().list("parts")[0].child("with"), "part one");
  EXPECT_EQ(compact(merged), "a.x=3 a.z=4 b=2 ");
  EXPECT_EQ(compact(config.without("parts")), "a.x=1 a.y=[1] b=2 ");
  EXPECT_STREQ(merged.error("a.x", "is wrong").what(), "x.json, part one: a.x: is wrong");
  EXPECT_STREQ(merged.error("b", "is wrong").what(), "x.json: b: is wrong");
}

TEST_F(ConfigTest, EveryStringIsReplaced) {
  const auto config = Config::parse(R"({"a": "x", "b": [{"c": "x"}, "y", 1]})", "here");
  std::vector<std::string> keys;
  const auto replaced = config.replaced([&](const std::string& key, const std::string& value) {
    keys.push_back(key);
    return value + value;
  });
  EXPECT_EQ(compact(replaced), R"(a="xx" b=[{"c":"xx"},"yy",1] )");
  EXPECT_THAT(keys, testing::ElementsAre("a", "b.1.c", "b.2"));
}

TEST_F(ConfigTest, TheCommandLineHasTheLastWordInStages) {
  const std::string stages =
      R"({"train": {"lr": 1, "seed": 1}, "stages": [{"with": {"train": {"lr": 2}}}, {"with": {}}, {},
          {"with": {"train": {"_replace_": true, "lr": 3}}}]})";
  EXPECT_EQ(with(stages, {"train.lr=7", "train.seed=8"}),
            R"(train.lr=7 train.seed=8 stages=[{"with":{"train":{"lr":7}}},{"with":{}},{},)"
            R"({"with":{"train":{"_replace_":true,"lr":7,"seed":8}}}] )");
  // A section that a stage takes away stays away; a key comes back.
  EXPECT_EQ(
      with(R"({"a": {"b": 1}, "c": 1, "stages": [{"with": {"a": null, "c": null}}]})", {"a.b=2", "c=3"}),
      R"(a.b=2 c=3 stages=[{"with":{"a":null,"c":3}}] )");
}

TEST_F(ConfigTest, EveryLeafKnowsWhereItCameFrom) {
  const auto base =
      write("base.json", R"({"a": {"kept": 1, "changed": 1, "overridden": 1, "empty": {}}, "b": {"x": 1}})");
  const auto file = write("run.json", R"({"_base_": "base.json", "a": {"changed": 2, "new": 2}, "b": 3})");
  const std::vector<std::string> overrides = {"a.overridden=4", "c.made=4"};
  std::map<std::string, std::string> origins;
  for (const auto& entry : Config::load(file, overrides).entries()) origins[entry.key] = entry.origin;
  const std::map<std::string, std::string> expected = {{"a.kept", base},
                                                       {"a.empty", base},
                                                       {"a.changed", file},
                                                       {"a.new", file},
                                                       {"b", file},
                                                       {"c.made", "command line"},
                                                       {"a.overridden", "command line"}};
  EXPECT_EQ(origins, expected);
}

TEST_F(ConfigTest, ADumpParsesBackToTheSame) {
  const auto config = Config::parse(
      R"({"z": 0.1, "a": {"list": [1, 2.0, "ü\n\u0000"], "empty": {}}, "big": 9223372036854775807})",
      "x.json");
  EXPECT_EQ(compact(Config::parse(config.dump(), "y.json")), compact(config));
  EXPECT_THAT(compact(config),
              AllOf(HasSubstr("z=0.1 a.list=[1,2.0,"), HasSubstr("big=9223372036854775807")));
  EXPECT_THAT(config.dump(), HasSubstr("\n  \"a\": {\n"));
}

TEST_F(ConfigTest, BasesAndReplaceDoNotShow) {
  write("a.json", R"({"x": {"y": 1}})");
  const auto file = write("b.json", R"({"_base_": "a.json", "x": {"_replace_": true, "z": 1}})");
  EXPECT_THAT(Config::load(file).dump(), Not(HasSubstr("_")));
}

TEST_F(ConfigTest, AnEmptyConfigHasNoEntries) {
  const auto config = Config::parse("{}", "x.json");
  EXPECT_TRUE(config.entries().empty());
  EXPECT_EQ(config.dump(), "{}");
  config.root().finish();
}

TEST(Differences, AreOfTheValuesWhateverTheirOrderAndOrigin) {
  const auto before = Config::parse(R"({"a": {"b": 1, "c": [1, 2]}, "d": "x", "e": {}})", "before");
  EXPECT_TRUE(differences(before, before).empty());
  EXPECT_TRUE(
      differences(before, Config::parse(R"({"e": {}, "d": "x", "a": {"c": [1, 2], "b": 1}})", "after"))
          .empty());
  const auto found =
      differences(before, Config::parse(R"({"a": {"b": 1.5, "c": [2, 1]}, "e": {"f": true}})", "after"));
  std::vector<std::string> texts;
  for (const auto& [key, was, is] : found) texts.push_back(key + ":" + was + ":" + is);
  EXPECT_THAT(texts, testing::ElementsAre("a.b:1:1.5", "a.c:[1,2]:[2,1]", "d:\"x\":", "e:{}:", "e.f::true"));
}

TEST_F(ConfigTest, ADecimalCommaOfTheHostsLocaleChangesNothing) {
  const std::string text = R"({"lr": 0.0025, "ratios": [0.5, 1, 2.5e-3], "big": 1234567})";
  const std::vector<std::string> overrides = {"lr=0.5", "weight_decay=1e-4", "momentum=0.9"};
  const auto file = write("a.json", text);
  const auto expected = Config::load(file, overrides).dump();
  const GermanLocale german;
  if (!german) GTEST_SKIP() << GermanLocale::kNone;
  const auto config = Config::load(file, overrides);
  EXPECT_EQ(config.dump(), expected);
  double rate = 0;
  config.root().read("lr", rate);
  EXPECT_EQ(rate, 0.5);
  EXPECT_EQ(compact(Config::parse(config.dump(), "x.json")), compact(config));
  EXPECT_THAT(parse_error(R"({"a": 99999999999999999999})"), HasSubstr("too large"));
}

TEST_F(ConfigTest, AFileOfGigabytesIsRefusedUnread) {
  const auto file = write("zeros.json", "");
  fs::resize_file(file, 3'000'000'000);
  EXPECT_EQ(load_error(file), "cannot read " + file + ": it has more than 16 MB, which no such text has");
  EXPECT_THAT(load_error("/dev/zero"), HasSubstr("more than 16 MB"));
}

}  // namespace
}  // namespace rcnn::config
