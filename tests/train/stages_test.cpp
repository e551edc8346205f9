#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/io/safetensors.h>
#include <rcnn/nn/weights/weights.h>
#include <rcnn/train/stages.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"
#include "tools/rcnn/demo/scenes.h"

namespace rcnn::train {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

/// Two trainings of the tiny model, of five and of four iterations, the second from the first one's weights.
constexpr const char* kStages = R"([
  {"name": "first", "kind": "train", "with": {"train": {"iterations": 5}}},
  {"name": "second", "kind": "train",
   "with": {"train": {"lr": 0.02}, "model": {"weights": "stage:first/last.safetensors"}}}
])";

class Stages : public testing::Test {
 protected:
  using Run = train::Run;  // which testing::Test has, too

  Stages() {
    tools::draw_scenes(temp_.path() / "scenes", {.train = 6, .test = 1, .size = {64, 96}, .seed = 3});
  }

  config::Config config(const std::string& stages = kStages,
                        const std::vector<std::string>& overrides = {}) const {
    const auto text = fmt::format(
        R"({{"model": {}, "data": {{"root": "{}", "classes": ["circle", "cross", "square", "star", "triangle"],
             "min_size": 64, "max_size": 96, "workers": 0}},
             "train": {{"iterations": 4, "batch_size": 2, "lr": 0.01, "log_period": 2, "ema": 0.9}},
             "stages": {}}})",
        kTinyModel, (temp_.path() / "scenes").string(), stages);
    return config::Config::parse(text, "chain.json", overrides);
  }

  Chain chain(const config::Config& config) const { return {config, out_}; }
  Chain chain() const { return chain(config()); }

  /// Runs without scores; `stop` is asked after each iteration of any stage, with how many these were in all.
  StageContext context(Run::Resume resume = Run::Resume::no,
                       const std::function<bool(int64_t)>& stop = {}) const {
    const auto done = std::make_shared<int64_t>(-1);
    return {.resume = resume, .watch = [=, this](const Training&) {
              return Watch{
                  .on_begin = [=, this](const Run& run) { begun_.push_back(run.folder().path().filename()); },
                  .hooks = {.stop = [=](int64_t) { return stop && stop(++*done); }}};
            }};
  }

  std::string bytes(const std::string& name) const { return file_bytes(out_ / name); }

  static nn::TensorMap tensors(const fs::path& file) { return io::read_safetensors(file).tensors; }

  static void expect_same(const nn::TensorMap& a, const nn::TensorMap& b) {
    ASSERT_EQ(a.size(), b.size());
    for (const auto& [name, tensor] : a) EXPECT_TRUE(at::equal(tensor, b.at(name))) << name;
  }

  const TempFolder temp_;
  const fs::path out_ = temp_.path() / "out";
  mutable std::vector<std::string> begun_;
};

TEST_F(Stages, AreWhatTheRunsAreByHand) {
  EXPECT_TRUE(chain().run(context()));
  EXPECT_THAT(begun_, ElementsAre("1-first", "2-second"));
  const auto by_hand = [&](const std::vector<std::string>& overrides, const std::string& name) {
    auto all = overrides;
    all.emplace_back("stages=null");
    Training training = Training::from(config(kStages, all), at::kCPU);
    Run(std::move(training), RunFolder::create(temp_.path() / name), {}, Run::Resume::no).fit({});
    return temp_.path() / name / "last.safetensors";
  };
  const auto first = by_hand({"train.iterations=5"}, "first");
  const auto second = by_hand({"train.lr=0.02", "model.weights=" + first.string()}, "second");
  expect_same(tensors(out_ / "1-first/last.safetensors"), tensors(first));
  expect_same(tensors(out_ / "2-second/last.safetensors"), tensors(second));
  EXPECT_TRUE(Chain::lies_in(out_));
  EXPECT_FALSE(Chain::lies_in(out_ / "1-first"));
}

TEST_F(Stages, StoppedAnywhereTheyEndAsIfTheyHadNeverBeen) {
  const std::vector<std::string> names{"1-first/last.safetensors",  "1-first/done.json",
                                       "2-second/last.safetensors", "2-second/state-00000004.safetensors",
                                       "2-second/done.json",        "config.json"};
  EXPECT_TRUE(chain().run(context()));
  std::map<std::string, std::string> whole;
  for (const auto& name : names) whole[name] = bytes(name);
  const auto expect_whole = [&] {
    EXPECT_TRUE(chain().run(context(Run::Resume::yes)));
    for (const auto& name : names) EXPECT_TRUE(bytes(name) == whole.at(name)) << name << " is another";
  };
  for (const int64_t stop : {0, 2, 5, 6, 8}) {
    SCOPED_TRACE("interrupted after question " + std::to_string(stop));
    fs::remove_all(out_);
    EXPECT_FALSE(chain().run(context(Run::Resume::yes, [&](int64_t asked) { return asked >= stop; })));
    expect_whole();
  }
  for (const int64_t stop : {3, 8}) {
    SCOPED_TRACE("failed at question " + std::to_string(stop));
    fs::remove_all(out_);
    const auto failing = [&](int64_t asked) -> bool {
      if (asked == stop) throw std::runtime_error("mine");
      return false;
    };
    EXPECT_THROW(chain().run(context(Run::Resume::no, failing)), std::runtime_error);
    expect_whole();
  }
  {
    SCOPED_TRACE("killed before a stage is called done");
    fs::remove(out_ / "2-second/done.json");
    expect_whole();
  }
  {
    SCOPED_TRACE("stopped between the stages");
    fs::remove_all(out_);
    auto between = context();
    between.stop = [&] { return !begun_.empty() && begun_.back() == "1-first"; };
    begun_.clear();
    EXPECT_FALSE(chain().run(between));
    EXPECT_FALSE(fs::exists(out_ / "2-second"));
    expect_whole();
  }
}

TEST_F(Stages, ThatAreDoneArePassedOver) {
  EXPECT_TRUE(chain().run(context()));
  begun_.clear();
  const auto before = fs::last_write_time(out_ / "1-first/last.safetensors");
  EXPECT_TRUE(chain().run(context(Run::Resume::yes)));
  EXPECT_TRUE(begun_.empty());
  EXPECT_EQ(fs::last_write_time(out_ / "1-first/last.safetensors"), before);
  EXPECT_TRUE(chain(config(kStages, {"data.workers=2"})).run(context(Run::Resume::yes))) << "as of a run";

  EXPECT_THAT(message_of<ConfigError>([&] { chain().run(context()); }), HasSubstr("holds a run already"));
  fs::remove_all(out_ / "2-second");
  EXPECT_TRUE(chain().run(context(Run::Resume::yes)));
  EXPECT_THAT(begun_, ElementsAre("2-second"));
}

TEST_F(Stages, WhatADoneOneWasMadeFromMayNotChange) {
  EXPECT_TRUE(chain().run(context()));
  begun_.clear();
  const auto refused = [&](const config::Config& config,
                           const testing::Matcher<const std::string&>& message) {
    EXPECT_THAT(message_of<ConfigError>([&] { chain(config).run(context(Run::Resume::yes)); }), message);
    EXPECT_TRUE(chain(config).run(context(Run::Resume::anyway)));
    EXPECT_TRUE(begun_.empty()) << "it goes on with what is there";
  };
  refused(config(kStages, {"train.lr=0.5"}),
          AllOf(HasSubstr("1-first: not what the run was started with: train.lr was 0.01, is 0.5"),
                HasSubstr("--resume-anyway")));
  refused(config(R"([{"name": "first", "kind": "train", "with": {"train": {"iterations": 5}}}])"),
          HasSubstr("2-second is none of its stages"));

  const auto last = out_ / "1-first/last.safetensors";
  fs::copy(last, temp_.path() / "kept");
  auto other = io::read_safetensors(last);
  other.tensors.begin()->second = other.tensors.begin()->second + 1;
  io::write_safetensors(last, other);
  refused(config(), AllOf(HasSubstr("2-second: "), HasSubstr("1-first/last.safetensors: no longer what")));
  fs::copy(temp_.path() / "kept", last, fs::copy_options::overwrite_existing);

  const auto xml = temp_.path() / "scenes/Annotations/scene_00002.xml";
  const auto before = file_bytes(xml);
  std::ofstream(xml) << "<annotation></annotation>";
  refused(config(), AllOf(HasSubstr("1-first: "), HasSubstr("the training images and their boxes")));
  std::ofstream(xml) << before;
  EXPECT_TRUE(chain().run(context(Run::Resume::anyway)));
  EXPECT_TRUE(chain().run(context(Run::Resume::yes))) << "what was gone on with is not asked for again";
}

TEST_F(Stages, WhatABegunOneBeganWithMayNotChange) {
  EXPECT_FALSE(chain().run(context(Run::Resume::no, [](int64_t asked) { return asked >= 8; })));
  EXPECT_THAT(begun_, ElementsAre("1-first", "2-second"));
  const auto last = out_ / "1-first/last.safetensors";
  auto other = io::read_safetensors(last);
  fs::copy(last, temp_.path() / "kept");
  other.tensors.begin()->second = other.tensors.begin()->second + 1;
  const auto again = [&] { return chain().run(context(Run::Resume::yes)); };
  EXPECT_TRUE(fs::exists(out_ / "2-second.begun.json"));
  EXPECT_TRUE(RunFolder::owns(out_ / "2-second.begun.json"));
  EXPECT_FALSE(RunFolder::owns(out_ / "mine.begun.json"));
  io::write_safetensors(last, other);
  EXPECT_THAT(message_of<ConfigError>(again), HasSubstr("1-first/last.safetensors: no longer what"));
  fs::copy(temp_.path() / "kept", last, fs::copy_options::overwrite_existing);
  EXPECT_TRUE(again());
  EXPECT_FALSE(fs::exists(out_ / "2-second.begun.json"));
}

TEST_F(Stages, MayBeMovedDoneAndHalfDone) {
  const auto place = temp_.path() / "elsewhere";
  EXPECT_FALSE(chain().run(context(Run::Resume::no, [](int64_t asked) { return asked >= 8; })));
  fs::rename(out_, place);
  EXPECT_TRUE(Chain(config(), place).run(context(Run::Resume::yes)));
  fs::create_directory_symlink(place, out_);
  EXPECT_TRUE(chain().run(context(Run::Resume::yes)));
  auto other = io::read_safetensors(place / "1-first/last.safetensors");
  other.tensors.begin()->second = other.tensors.begin()->second + 1;
  io::write_safetensors(place / "1-first/last.safetensors", other);
  EXPECT_THAT(message_of<ConfigError>([&] { chain().run(context(Run::Resume::yes)); }),
              HasSubstr("1-first/last.safetensors: no longer what"));
}

TEST_F(Stages, ADoneOneThatLostWhatAnotherNeedsIsNamed) {
  EXPECT_TRUE(chain().run(context()));
  fs::remove_all(out_ / "2-second");
  fs::remove(out_ / "1-first/last.safetensors");
  for (const auto resume : {Run::Resume::yes, Run::Resume::anyway}) {
    EXPECT_THAT(message_of<DataError>([&] { chain().run(context(resume)); }),
                AllOf(HasSubstr("1-first/last.safetensors: is gone"), HasSubstr("second begins with it"),
                      HasSubstr("remove " + (out_ / "1-first").string())));
  }
  fs::remove_all(out_ / "1-first");
  EXPECT_TRUE(chain().run(context(Run::Resume::yes)));
}

TEST_F(Stages, ADamagedMarkCountsAsNone) {
  EXPECT_TRUE(chain().run(context()));
  const auto whole = bytes("1-first/last.safetensors");
  const std::string deep(200'000, '['), inputs = R"(,"inputs":{}})";
  for (const std::string& text :
       {std::string(), std::string("{"), R"({"config":5)" + inputs,
        std::string(R"({"config":{},"inputs":[1]})"),
        R"({"config":)" + deep + std::string(deep.size(), ']') + inputs, std::string(17'000'000, ' ')}) {
    std::ofstream(out_ / "1-first/done.json") << text;
    EXPECT_TRUE(chain().run(context(Run::Resume::yes))) << text.substr(0, 80);
    EXPECT_TRUE(bytes("1-first/last.safetensors") == whole);
  }
}

TEST_F(Stages, DataMayComeFromAnEarlierOne) {
  stage_kinds().add("draw", {.products = {{"list.json", "annotations"}},
                             .prepare =
                                 [](const Stage& stage, const StageContext&) {
                                   return [folder = stage.folder] {
                                     fs::create_directories(folder);
                                     std::ofstream(folder / "list.json") << R"({"images": [
  {"id": 1, "file_name": "JPEGImages/scene_00001.jpg", "width": 96, "height": 64},
  {"id": 2, "file_name": "JPEGImages/scene_00002.jpg", "width": 96, "height": 64}], "annotations": [
  {"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 20, 20]}], "categories": [
  {"id": 1, "name": "circle"}]})";
                                     return true;
                                   };
                                 },
                             .inputs = [](const Stage&) { return std::map<std::string, std::string>(); }});
  const auto on_list = [&](const std::string& more) {
    return config(
        fmt::format(R"([{{"name": "a", "kind": "draw"}}, {{"name": "b", "kind": "train", "with": {{"data":
          {{"type": "coco", "classes": ["circle"], "train": {{"annotations": "stage:a/list.json", "images": ""}},
           "test": {{"annotations": "none.json", "images": ""}}{}}}}}}}])",
                    more));
  };
  EXPECT_THAT(message_of<ConfigError>([&] { chain(on_list(R"(, "workerz": 1)")).run(context()); }),
              HasSubstr("data.workerz: unknown key"));
  EXPECT_FALSE(fs::exists(out_));
  EXPECT_TRUE(chain(on_list("")).run(context()));
  EXPECT_TRUE(fs::exists(out_ / "2-b/last.safetensors"));
}

TEST_F(Stages, AreReadStrictly) {
  const auto wrong = [&](const std::string& stages) {
    return message_of<ConfigError>([&] { Chain(config(stages), out_); });
  };
  const auto train = [](const std::string& name, const std::string& with = "{}") {
    return fmt::format(R"({{"name": "{}", "kind": "train", "with": {}}})", name, with);
  };
  const auto weights = [](const std::string& value) {
    return fmt::format(R"({{"model": {{"weights": "{}"}}}})", value);
  };
  EXPECT_EQ(wrong("[]"), "chain.json: stages: has to have one at least");
  EXPECT_THAT(wrong("{}"), HasSubstr("chain.json: stages: must be a list"));
  EXPECT_THAT(wrong("[1]"), HasSubstr("chain.json: stages.1: must be an object, not 1"));
  EXPECT_THAT(wrong(R"([{"kind": "train"}])"), HasSubstr("chain.json: stages.1.name: is required"));
  EXPECT_THAT(wrong(R"([{"name": "a"}])"), HasSubstr("chain.json: stages.1.kind: is required"));
  EXPECT_THAT(wrong(R"([{"name": "a", "kind": "train", "wit": {}}])"),
              HasSubstr("chain.json: stages.1.wit: unknown key; did you mean with?"));
  EXPECT_THAT(wrong(R"([{"name": "a", "kind": "trian"}])"),
              AllOf(HasSubstr("chain.json: stages.1.kind: unknown kind 'trian'; known: "),
                    HasSubstr("train; did you mean train?")));
  EXPECT_THAT(wrong("[" + train("a") + "," + train("a") + "]"),
              HasSubstr("chain.json: stages.2.name: there is a stage a already"));
  for (const std::string& name : {std::string(), std::string("."), std::string(".."), std::string("a/b"),
                                  std::string("a b"), std::string("-a"), std::string(".a"),
                                  std::string("a:b"), std::string("\xc3\xa4"), std::string(101, 'a')})
    EXPECT_THAT(wrong("[" + train(name) + "]"), HasSubstr("stages.1.name: ")) << name;
  EXPECT_THAT(wrong("[" + train("a", R"({"stages": []})") + "]"),
              HasSubstr("stages.1.with.stages: a stage has none"));

  EXPECT_THAT(
      wrong("[" + train("first") + "," + train("b", weights("stage:frist/last.safetensors")) + "]"),
      HasSubstr(
          "chain.json, stage b: model.weights: stage:frist/last.safetensors: there is no stage frist; did "
          "you mean first?"));
  for (const char* later : {"stage:b/last.safetensors", "stage:c/last.safetensors"}) {
    EXPECT_THAT(wrong("[" + train("a") + "," + train("b", weights(later)) + "," + train("c") + "]"),
                HasSubstr("does not come before this one"))
        << later;
  }
  EXPECT_THAT(wrong("[" + train("a") + "," + train("b", weights("stage:a/lst.safetensors")) + "]"),
              HasSubstr("leaves last.safetensors and best.safetensors; did you mean last.safetensors?"));
  EXPECT_THAT(wrong("[" + train("a") + "," + train("b", weights("stage:a")) + "]"), HasSubstr("leaves last"));

  const auto proposals = [](const std::string& part, const std::string& value) {
    return fmt::format(R"({{"data": {{"{}": {{"proposals": "{}"}}}}}})", part, value);
  };
  for (const char* part : {"train", "test"}) {
    EXPECT_EQ(
        wrong("[" + train("a") + "," + train("b", proposals(part, "stage:a/best.safetensors")) + "]"),
        fmt::format("chain.json, stage b: data.{}.proposals: stage:a/best.safetensors: holds weights, and "
                    "proposals are wanted here; a stage of the kind propose leaves train.pkl and test.pkl",
                    part));
  }
  const std::string propose = R"({"name": "a", "kind": "propose"})";
  for (const auto& [key, with] :
       {std::pair("model.weights", weights("stage:a/test.pkl")),
        {"model.weights.2.file",
         std::string(R"({"model": {"weights": [{"file": "x.pth"}, {"file": "stage:a/test.pkl"}]}})")}}) {
    EXPECT_EQ(
        wrong("[" + propose + "," + train("b", with) + "]"),
        fmt::format("chain.json, stage b: {}: stage:a/test.pkl: holds proposals, and weights are wanted "
                    "here; a stage of the kind assemble leaves last.safetensors; a stage of the kind "
                    "train leaves last.safetensors and best.safetensors",
                    key));
  }
  EXPECT_EQ(
      wrong("[" + propose + "," + train("b", weights("stage:a/last.safetensors")) + "]"),
      "chain.json, stage b: model.weights: stage:a/last.safetensors: a stage of the kind propose leaves "
      "train.pkl and test.pkl");
  EXPECT_FALSE(fs::exists(out_));
}

TEST_F(Stages, WhatIsWrongWithALaterOneIsSaidBeforeTheFirst) {
  const auto with = [&](const std::string& with) {
    return config(fmt::format(
        R"([{{"name": "a", "kind": "train"}}, {{"name": "b", "kind": "train", "with": {}}}])", with));
  };
  EXPECT_THAT(message_of<ConfigError>([&] { chain(with(R"({"train": {"lrr": 1}})")).run(context()); }),
              HasSubstr("chain.json, stage b: train.lrr: unknown key; did you mean lr?"));
  EXPECT_THAT(message_of<DataError>([&] { chain(with(R"({"data": {"root": "/nowhere"}})")).run(context()); }),
              HasSubstr("/nowhere"));
  EXPECT_THAT(
      message_of<WeightsError>([&] { chain(with(R"({"model": {"weights": "/gone.pth"}})")).run(context()); }),
      HasSubstr("gone.pth"));
  EXPECT_THAT(
      message_of<ConfigError>(
          [&] { chain(with(R"({"model": {"type": "fast_rcnn", "rpn": null}})")).run(context()); }),
      HasSubstr("data.train.proposals: the model finds objects among proposals, and the training data "
                "has none"));
  // Beside a product that is not there yet, too.
  const auto beside = [&](const std::string& source) {
    return with(R"({"model": {"weights": [{"file": "stage:a/last.safetensors"}, )" + source + "]}}");
  };
  EXPECT_THAT(message_of<WeightsError>([&] { chain(beside(R"({"file": "/gone.pth"})")).run(context()); }),
              HasSubstr("gone.pth"));
  EXPECT_THAT(message_of<ConfigError>([&] { chain(beside(R"({"fille": "x"})")).run(context()); }),
              HasSubstr("file"));
  EXPECT_THAT(message_of<ConfigError>([&] { chain(beside(R"({"file": "/x", "only": []})")).run(context()); }),
              HasSubstr("only: names nothing"));
  EXPECT_FALSE(chain(with("{}")).run(context(Run::Resume::no, [](int64_t) { return true; })));
  fs::create_directories(out_ / "2-b");
  std::ofstream(out_ / "2-b/notes.txt") << "mine";
  begun_.clear();
  EXPECT_THAT(message_of<ConfigError>([&] { chain(with("{}")).run(context(Run::Resume::yes)); }),
              HasSubstr("2-b"));
  EXPECT_TRUE(begun_.empty());
  fs::remove_all(out_);
  EXPECT_FALSE(fs::exists(out_));
}

TEST_F(Stages, WeightsThatWillNotFitAreSaidBeforeTheFirst) {
  const auto from_a = [&](const std::string& model, const std::string& only) {
    return config(fmt::format(R"([{{"name": "a", "kind": "train", "with": {{"model": {}}}}},
        {{"name": "b", "kind": "train", "with": {{"model": {{"weights": [
            {{"file": "stage:a/last.safetensors", "only": ["{}"]}}]}}}}}}])",
                              model, only));
  };
  const auto last = (out_ / "1-a/last.safetensors").string();
  EXPECT_EQ(
      message_of<ConfigError>(
          [&] { chain(from_a(R"({"type": "rpn", "roi": null})", "roi_heads.*")).run(context()); }),
      fmt::format("chain.json, stage b: model.weights.1.only: {} gives the model no roi_heads.*", last));
  EXPECT_THAT(message_of<WeightsError>(
                  [&] { chain(from_a(R"({"rpn": {"anchors": {"ratios": [1]}}})", "rpn.*")).run(context()); }),
              HasSubstr(last + ": does not fit the model; of another shape or type: rpn.head.bbox_pred.bias "
                               "[36], the file has [12]"));
  EXPECT_FALSE(fs::exists(out_));
}

TEST_F(Stages, WhatHasChangedIsSaidWithItsStage) {
  EXPECT_TRUE(chain().run(context()));
  testing::internal::CaptureStderr();
  EXPECT_TRUE(chain(config(kStages, {"train.lr=0.5"})).run(context(Run::Resume::anyway)));
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr(fmt::format("{}: goes on although something has changed: train.lr was 0.01, is 0.5",
                                    (out_ / "1-first").string())));
}

TEST_F(Stages, AChainAndARunDoNotShareAFolder) {
  const Stage plain{.name = {}, .kind = {}, .config = config(kStages, {"stages=null"}), .folder = out_};
  EXPECT_TRUE(prepare_training(plain, context())());
  EXPECT_THAT(message_of<ConfigError>([&] { chain().run(context(Run::Resume::yes)); }),
              HasSubstr("holds a run of one training"));
  fs::remove_all(out_);
  EXPECT_TRUE(chain().run(context()));
  const auto before = bytes("config.json");
  EXPECT_THAT(message_of<ConfigError>([&] { prepare_training(plain, context(Run::Resume::yes)); }),
              HasSubstr("holds a chain of stages"));
  EXPECT_EQ(bytes("config.json"), before);
  EXPECT_THAT(message_of<ConfigError>([&] { Training::from(config(), at::kCPU); }),
              HasSubstr("chain.json: stages: is a chain of 2 stages"));
}

TEST_F(Stages, HaveAKindOfOnesOwn) {
  stage_kinds().add("note", StageKind{.products = {{"note.txt", "a note"}},
                                      .prepare =
                                          [](const Stage& stage, const StageContext&) {
                                            std::string text;
                                            stage.config.root().read("text", text);
                                            return [folder = stage.folder, text] {
                                              fs::create_directories(folder);
                                              std::ofstream(folder / "note.txt") << text;
                                              return true;
                                            };
                                          },
                                      .inputs =
                                          [](const Stage& stage) {
                                            std::map<std::string, std::string> inputs;
                                            for (const auto& [key, file, maker] : stage.products)
                                              inputs[file.filename()] = fingerprint_of(file);
                                            return inputs;
                                          }});
  const auto notes = config(R"([{"name": "a", "kind": "note", "with": {"text": "one"}},
                                {"name": "b", "kind": "note", "with": {"text": "stage:a/note.txt"}}])");
  EXPECT_TRUE(chain(notes).run({}));
  EXPECT_EQ(bytes("1-a/note.txt"), "one");
  EXPECT_EQ(bytes("2-b/note.txt"), (out_ / "1-a/note.txt").string());
  EXPECT_TRUE(chain(notes).run({.resume = Run::Resume::yes}));
  std::ofstream(out_ / "1-a/note.txt") << "two";
  EXPECT_THAT(message_of<ConfigError>([&] { chain(notes).run({.resume = Run::Resume::yes}); }),
              HasSubstr("note.txt: no longer what"));
  EXPECT_THROW(stage_kinds().add("note", *stage_kinds().find("note")), std::invalid_argument);
  EXPECT_THROW(stage_kinds().add("half", {.products = {}, .prepare = {}, .inputs = {}}),
               std::invalid_argument);
}

}  // namespace
}  // namespace rcnn::train
