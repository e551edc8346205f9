// rcnn propose, and what eval and detect do with a file of proposals.

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <rcnn/data/proposals/proposal_file.h>
#include <rcnn/nn/models/model_file.h>

#include "tests/support/temp_folder.h"
#include "tests/tools/rcnn.h"
#include "tools/rcnn/demo/scenes.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// Drawn scenes in the VOC layout; and their test part as a COCO file.
class ProposeCommand : public testing::Test {
 protected:
  ProposeCommand() { draw_scenes(scenes_, {.train = 2, .test = 6, .size = {64, 96}}); }

  std::vector<std::string> words(const std::string& output, const std::vector<std::string>& more = {},
                                 const std::string& mode = "single") const {
    std::vector<std::string> words = {"propose",          scenes_,  "--split", "test",       "--method",
                                      "selective_search", "--mode", mode,      "--min-side", "8",
                                      "--output",         output};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  Finished run(const std::vector<std::string>& words) const { return run_rcnn(words, folder_.path()); }
  std::string path(const std::string& name) const { return folder_.path() / name; }

  /// A weight file of a model of the type.
  std::string weights(const std::string& type) const {
    auto text = nlohmann::json::parse(tiny_config(), nullptr, true, true);
    text["model"]["type"] = type;
    if (type == "fast_rcnn") text["model"].erase("rpn");
    if (type == "rpn") text["model"].erase("roi");
    const auto config = config::Config::parse(text.dump(), "tiny");
    torch::manual_seed(0);
    std::vector<Category> categories;
    for (const std::string name : text["data"]["classes"])
      categories.push_back({std::ssize(categories) + 1, name});
    const auto file = folder_.path() / (type + ".safetensors");
    nn::save_model(
        file, {nn::make_model(config.root().child("model"), std::ssize(categories)), categories, config});
    return file;
  }

  const TempFolder folder_;
  const fs::path scenes_ = folder_.path() / "scenes";
};

TEST_F(ProposeCommand, FilesAreTheSameAtAnyNumberOfProcesses) {
  for (const std::string ending : {".json", ".pkl", ".mat"}) {
    const auto one = run(words(path("one" + ending), {"--jobs", "1"}));
    ASSERT_EQ(one.exit_code, 0) << one.err;
    EXPECT_THAT(one.err,
                testing::ContainsRegex("proposals of 6 images, [0-9.]+ an image: .*one[.a-z]*; [0-9.]+ s "
                                       "of a core an image, [0-9.]+ images a second\n"));
    for (const std::string jobs : {"2", "3"}) {
      ASSERT_EQ(run(words(path(jobs + ending), {"--jobs", jobs})).exit_code, 0);
      EXPECT_EQ(file_bytes(path(jobs + ending)), file_bytes(path("one" + ending)));
    }
    EXPECT_FALSE(fs::exists(path("one" + ending) + ".partial"));
    EXPECT_EQ(data::read_proposals(path("one" + ending)).images.size(), 6u);
  }
  ASSERT_EQ(run(words(path("seed.json"), {"--seed", "1"})).exit_code, 0);
  EXPECT_NE(file_bytes(path("seed.json")), file_bytes(path("one.json")));
}

TEST_F(ProposeCommand, GoesOnAfterItWasKilled) {
  ASSERT_EQ(run(words(path("whole.json"), {}, "quality")).exit_code, 0);
  const auto output = path("killed.json"), partial = output + ".partial";
  const auto one_process = words(output, {"--jobs", "1"}, "quality");
  for (const int signal : {SIGKILL, SIGINT}) {
    RunningProgram program(RCNN_PROGRAM, one_process, {"RCNN_DATA=" + folder_.path().string()});
    constexpr size_t kMoreThanTheHead = 1000;
    for (int i = 0; i < 3000 && (!fs::exists(partial) || fs::file_size(partial) < kMoreThanTheHead); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    program.send(signal);
    const auto ended = program.finish();
    EXPECT_EQ(ended.exit_code, 128 + signal) << ended.err;
    EXPECT_FALSE(fs::exists(output));
    ASSERT_TRUE(fs::exists(partial)) << ended.err;
    if (signal == SIGINT) {
      EXPECT_THAT(ended.err, HasSubstr("--resume"));
    }
    EXPECT_THAT(error_of(run(one_process), 2),
                AllOf(HasSubstr(" images of a run that did not end"), HasSubstr("--resume goes on with it")));
    EXPECT_THAT(error_of(run(words(output, {"--resume"})), 2),
                HasSubstr("another mode: quality, not single"));
    const auto resumed = run(words(output, {"--resume"}, "quality"));
    ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
    EXPECT_THAT(resumed.err, testing::ContainsRegex("; [1-6] of the images were done before"));
    EXPECT_EQ(file_bytes(output), file_bytes(path("whole.json")));
    EXPECT_THAT(error_of(run(words(output, {"--resume"}, "quality")), 2), HasSubstr("nothing is left to do"));
    fs::remove(output);
  }
}

TEST_F(ProposeCommand, AnotherProcessIsNamedAndLeftToItsWork) {
  const auto output = path("p.json"), partial = output + ".partial";
  RunningProgram program(RCNN_PROGRAM, words(output, {"--jobs", "1"}, "quality"),
                         {"RCNN_DATA=" + folder_.path().string()});
  constexpr size_t kMoreThanTheHead = 1000;
  for (int i = 0; i < 3000 && (!fs::exists(partial) || fs::file_size(partial) < kMoreThanTheHead); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  program.send(SIGSTOP);
  for (const auto& more : {std::vector<std::string>{}, {"--resume"}}) {
    EXPECT_THAT(
        error_of(run(words(output, more, "quality")), 2),
        AllOf(HasSubstr(partial + ": another process writes to it ("),
              HasSubstr(" " + std::to_string(program.id()) + "): wait for it, stop it, or name another"),
              Not(HasSubstr("remove"))));
  }
  program.send(SIGCONT);
  const auto finished = program.finish();
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
}

TEST_F(ProposeCommand, OverridesChangeAConfigAndWeights) {
  const auto config =
      folder_.write("c.json", R"({"data": {"root": ")" + scenes_.string() + R"("}})").string();
  const auto propose = [&](const std::string& dataset, const std::string& output,
                           const std::vector<std::string>& more) {
    std::vector<std::string> words = {"propose", dataset, "--split", "test", "--output", path(output)};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  };
  const std::vector<std::string> search = {"--method", "selective_search", "--mode", "single"};
  const auto with = [](std::vector<std::string> words, const std::vector<std::string>& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  const auto few = propose(config, "few.json", with(search, {"data.test.limit=2"}));
  ASSERT_EQ(few.exit_code, 0) << few.err;
  EXPECT_EQ(data::read_proposals(path("few.json")).images.size(), 2u);
  EXPECT_THAT(error_of(propose(config, "x.json", with(search, {"data.test.limt=2"})), 2), HasSubstr("limit"));
  EXPECT_THAT(error_of(propose(scenes_, "x.json", with(search, {"data.test.limit=2"})), 2),
              HasSubstr("is no config"));
  EXPECT_THAT(error_of(propose(config, "x.json", with(search, {"model.rpn.nms_threshold=0.5"})), 2),
              HasSubstr("is of the method rpn"));

  const std::vector<std::string> rpn = {"--method", "rpn", "--limit", "40", "--weights", weights("rpn")};
  const auto boxes = [&](const std::string& output, const std::vector<std::string>& more) {
    const auto made = propose(config, output, with(rpn, more));
    EXPECT_EQ(made.exit_code, 0) << made.err;
    size_t boxes = 0;
    for (const auto& image : data::read_proposals(path(output)).images) boxes += image.boxes.size();
    return boxes;
  };
  const auto all = boxes("all.pkl", {});
  EXPECT_LT(boxes("thin.pkl", {"model.rpn.nms_threshold=0.1", "data.test.limit=6"}), all);
  EXPECT_LT(boxes("chosen.pkl", {"model.rpn.test.pre_nms=3"}), all);
  EXPECT_THAT(error_of(propose(config, "x.pkl", with(rpn, {"model.rpn.test.post_nms=3"})), 2),
              HasSubstr("--limit says"));
  EXPECT_THAT(error_of(propose(config, "x.pkl", with(rpn, {"train.lr=3"})), 2), HasSubstr("train.lr=3"));
}

TEST_F(ProposeCommand, WhatIsWrongIsSaidBeforeTheWork) {
  EXPECT_THAT(error_of(run(words(path("x.txt"))), 2), AllOf(HasSubstr("x.txt"), HasSubstr(".json")));
  EXPECT_THAT(error_of(run(words(path("no/x.json"))), 2), HasSubstr("there is no folder"));
  EXPECT_THAT(error_of(run(words(path("x.json"), {"--weights", "w.safetensors"})), 2),
              HasSubstr("--weights"));
  EXPECT_THAT(
      error_of(run({"propose", scenes_, "--method", "selective_search", "--output", path("x.json")}), 2),
      AllOf(HasSubstr("--split"), HasSubstr("test, train")));
  EXPECT_THAT(
      error_of(run({"propose", scenes_, "--split", "test", "--method", "rpn", "--output", path("x.json")}),
               2),
      HasSubstr("--weights"));
  EXPECT_THAT(error_of(run({"propose", scenes_, "--split", "test", "--method", "rpn", "--weights",
                            weights("fast_rcnn"), "--output", path("x.json")}),
                       2),
              HasSubstr("propos"));
  EXPECT_FALSE(fs::exists(path("x.json.partial")));
}

TEST_F(ProposeCommand, AnImageThatCannotBeDecodedIsAnErrorOrLeftOut) {
  const auto image = scenes_ / "JPEGImages" / "scene_00003.jpg";
  ASSERT_TRUE(fs::exists(image));
  fs::resize_file(image, fs::file_size(image) / 2);
  EXPECT_THAT(error_of(run(words(path("x.json"))), 3), HasSubstr("scene_00003.jpg"));
  const auto skipped = run(words(path("x.json"), {"--bad-images", "skip"}));
  EXPECT_EQ(skipped.exit_code, 0) << skipped.err;
}

TEST_F(ProposeCommand, AnRpnMakesThemWithScores) {
  for (const std::string type : {"faster_rcnn", "rpn"}) {
    const auto made = run({"propose", scenes_, "--split", "test", "--method", "rpn", "--weights",
                           weights(type), "--limit", "40", "--output", path(type + ".pkl")});
    ASSERT_EQ(made.exit_code, 0) << made.err;
    const auto list = data::read_proposals(path(type + ".pkl"));
    ASSERT_EQ(list.images.size(), 6u);
    for (const auto& image : list.images) {
      EXPECT_GT(image.boxes.size(), 20u) << "more than rpn.test.post_nms";
      EXPECT_LE(image.boxes.size(), 40u);
      EXPECT_EQ(image.scores.size(), image.boxes.size());
    }
  }
}

TEST_F(ProposeCommand, EvalAndDetectTakeTheFile) {
  const auto fast = weights("fast_rcnn"), proposals = path("p.json"), images = path("scenes/JPEGImages");
  ASSERT_EQ(
      run({"propose", scenes_, "--split", "test", "--method", "selective_search", "--output", proposals})
          .exit_code,
      0);
  const auto on_the_fly = run({"eval", "--weights", fast, "--json"});
  ASSERT_EQ(on_the_fly.exit_code, 0) << on_the_fly.err;
  EXPECT_THAT(on_the_fly.err, HasSubstr("Selective Search (fast)"));
  const auto from_file = run({"eval", "--weights", fast, "--json", "--proposal-file", proposals});
  ASSERT_EQ(from_file.exit_code, 0) << from_file.err;
  EXPECT_EQ(from_file.out, on_the_fly.out);
  EXPECT_THAT(from_file.err, Not(HasSubstr("Selective Search")));
  const auto from_config = run({"eval", "--weights", fast, "--json", "data.test.proposals=" + proposals});
  EXPECT_EQ(from_config.out, from_file.out) << from_config.err;

  const auto test_image = images + "/scene_00004.jpg";
  const auto found = run(
      {"detect", "--weights", fast, test_image, "--score", "0", "--no-images", "--output", path("searched")});
  ASSERT_EQ(found.exit_code, 0) << found.err;
  EXPECT_THAT(found.err, HasSubstr("Selective Search (fast)"));
  const auto stored = run({"detect", "--weights", fast, test_image, "--score", "0", "--no-images", "--output",
                           path("stored"), "--proposal-file", proposals});
  ASSERT_EQ(stored.exit_code, 0) << stored.err;
  EXPECT_EQ(file_bytes(path("stored/detections.json")), file_bytes(path("searched/detections.json")));
  EXPECT_GT(nlohmann::json::parse(std::ifstream(path("stored/detections.json"))).size(), 0u);

  // An image of the other part has none.
  EXPECT_THAT(error_of(run({"detect", "--weights", fast, images + "/scene_00001.jpg", test_image, "--output",
                            path("missing"), "--proposal-file", proposals}),
                       3),
              AllOf(HasSubstr("scene_00001.jpg"), HasSubstr("1 of 2 images")));
}

TEST_F(ProposeCommand, WeightsThatNeedNoneRefuseThem) {
  const auto faster = weights("faster_rcnn"), fast = weights("fast_rcnn"), rpn = weights("rpn");
  const auto file = folder_.write("p.json", "[]").string(), images = path("scenes/JPEGImages");
  EXPECT_THAT(error_of(run({"eval", "--weights", faster, "--proposal-file", file}), 2),
              HasSubstr("makes its own proposals"));
  EXPECT_THAT(
      error_of(run({"detect", "--weights", faster, images, "--output", path("d"), "--proposal-file", file}),
               2),
      HasSubstr("makes its own proposals"));
  EXPECT_THAT(error_of(run({"eval", "--weights", fast, "--proposals"}), 2), HasSubstr("makes no proposals"));
  EXPECT_THAT(error_of(run({"detect", "--weights", rpn, images, "--output", path("d")}), 2),
              HasSubstr("rcnn propose"));
  EXPECT_THAT(error_of(run({"eval", "--weights", rpn, "eval.metric=voc"}), 2),
              HasSubstr("must be proposals"));
  EXPECT_FALSE(fs::exists(path("d")));

  // An RPN alone is scored as one without being told.
  const auto scored = run({"eval", "--weights", rpn, "--json"});
  ASSERT_EQ(scored.exit_code, 0) << scored.err;
  EXPECT_TRUE(nlohmann::json::parse(scored.out).contains("AR2000"));
  EXPECT_EQ(run({"eval", "--weights", rpn, "--proposals", "--json"}).out, scored.out);
  EXPECT_THAT(error_of(run({"eval", "--weights", rpn, "--errors"}), 2), HasSubstr("no classes"));
}

TEST_F(ProposeCommand, EvalScoresAFileOfThem) {
  const auto truths = folder_
                          .write("gt.json", R"({
    "images": [{"id": 7, "file_name": "a.jpg", "height": 64, "width": 96},
               {"id": 5, "file_name": "b.jpg", "height": 64, "width": 96}],
    "categories": [{"id": 90, "name": "cat"}, {"id": 3, "name": "dog"}], "annotations": [
    {"id": 1, "image_id": 7, "category_id": 90, "bbox": [8, 8, 40, 40], "area": 1600},
    {"id": 2, "image_id": 5, "category_id": 3, "bbox": [8, 8, 50, 50], "area": 2500}]})")
                          .string();
  const auto score = [&](const std::string& file) {
    return run({"eval", "--annotations", truths, "--proposal-file", file, "--json"});
  };
  // The cat is covered by its second proposal, the dog's only one covers half of it.
  data::ProposalList list{.images = {{.id = "7", .boxes = {{60, 0, 90, 30}, {8, 8, 48, 48}}},
                                     {.id = "5", .boxes = {{8, 8, 58, 33}}}}};
  data::write_proposals(path("ids.json"), list);
  const auto scored = score(path("ids.json"));
  ASSERT_EQ(scored.exit_code, 0) << scored.err;
  const auto json = nlohmann::json::parse(scored.out);
  EXPECT_EQ(json["proposals"], (std::vector<int64_t>{10, 100, 300, 1000, 2000}));
  EXPECT_EQ(json["MABO"], 0.75);
  EXPECT_EQ(json["ABO"]["cat"][0], 1);
  EXPECT_EQ(json["ABO"]["dog"][4], 0.5);
  EXPECT_EQ(json["recall300"], 1);
  EXPECT_NEAR(json["AR300"].get<double>(), 0.55, 1e-12);  // the dog reaches the first of ten thresholds
  EXPECT_THAT(run({"eval", "--annotations", truths, "--proposal-file", path("ids.json")}).out,
              AllOf(HasSubstr("Average recall"), HasSubstr("Average best overlap")));

  list.images[0].id = "a";
  list.images[1].id = "b";
  data::write_proposals(path("stems.pkl"), list);
  EXPECT_EQ(score(path("stems.pkl")).out, scored.out);
  auto part = list;
  part.images.pop_back();
  data::write_proposals(path("part.pkl"), part);
  EXPECT_THAT(error_of(score(path("part.pkl")), 3),
              HasSubstr("images without an entry in " + path("part.pkl")));
  auto shifted = list;
  shifted.images[1].boxes[0].x2 = 97;
  data::write_proposals(path("shifted.pkl"), shifted);
  EXPECT_THAT(
      error_of(score(path("shifted.pkl")), 3),
      AllOf(HasSubstr("proposals reach beyond their images"), HasSubstr("count pixels from another number"),
            HasSubstr("1 box of 1 image, the first is (8, 8, 97, 33) on image 5 of 96 x 64")));
  list.images[1].id = "c";
  data::write_proposals(path("other.pkl"), list);
  EXPECT_THAT(error_of(score(path("other.pkl")), 3),
              AllOf(HasSubstr("images without an entry in " + path("other.pkl")), HasSubstr(": 5")));
  EXPECT_THAT(
      error_of(run({"eval", "--annotations", truths, "--proposal-file", path("ids.json"), "--per-class"}), 2),
      HasSubstr("no classes"));
  EXPECT_THAT(error_of(run({"eval", "--annotations", truths}), 2), HasSubstr("--proposal-file"));
}

/// On VOC's files, on the COCO files that they are converted to, and on the list of these alone.
TEST_F(ProposeCommand, EvalScoresAFileOnAnyDataSet) {
  ASSERT_EQ(run(words(path("p.pkl"))).exit_code, 0);
  ASSERT_EQ(run({"data", "convert", scenes_, "--split", "test", "--to", "coco", "--output", path("coco")})
                .exit_code,
            0);
  const auto score = [&](std::vector<std::string> words) {
    words.insert(words.begin(), "eval");
    words.insert(words.end(), {"--proposal-file", path("p.pkl"), "--json"});
    const auto finished = run(words);
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return nlohmann::json::parse(finished.out);
  };
  const auto voc = score({scenes_, "--split", "test"});
  EXPECT_GT(voc["recall300"].get<double>(), 0.3);
  EXPECT_EQ(voc["proposals"], (std::vector<int64_t>{10, 100, 300, 1000, 2000}));
  EXPECT_EQ(score({path("coco")}), voc);
  EXPECT_EQ(score({"--annotations", path("coco/annotations/instances_test.json")}), voc);
  const auto config =
      folder_.write("c.json", R"({"data": {"root": ")" + scenes_.string() + R"("}})").string();
  EXPECT_EQ(score({config, "--split", "test"}), voc);
  const auto named =
      run({"eval", config, "--split", "test", "--json", "data.test.proposals=" + path("p.pkl")});
  EXPECT_EQ(nlohmann::json::parse(named.out), voc) << named.err;

  const auto refused = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = {"eval", "--proposal-file", path("p.pkl")};
    words.insert(words.end(), more.begin(), more.end());
    return error_of(run(words), 2);
  };
  EXPECT_THAT(refused({}), HasSubstr("DATASET with --proposal-file F"));
  EXPECT_THAT(refused({scenes_}), HasSubstr("--split: test, train"));
  EXPECT_THAT(refused({scenes_, "--split", "test", "--per-class"}), HasSubstr("no classes"));
  EXPECT_THAT(refused({scenes_, "--split", "test", "--results", path("r.json")}),
              HasSubstr("--results is of weights"));
  EXPECT_THAT(refused({"--weights", weights("fast_rcnn"), "--split", "test"}),
              HasSubstr("without --weights"));
  EXPECT_THAT(error_of(run({"eval", scenes_, "--split", "test"}), 2), HasSubstr("give --weights F"));
  EXPECT_THAT(error_of(run({"eval", scenes_, "--split", "train", "--proposal-file", path("p.pkl")}), 3),
              HasSubstr("are of other images"));
}

/// What an RPN proposes scores the same from a file.
TEST_F(ProposeCommand, AStoredFileScoresAsItsRpnDoes) {
  const auto rpn = weights("rpn");
  const auto live = run({"eval", "--weights", rpn, "--json"});
  ASSERT_EQ(live.exit_code, 0) << live.err;
  const auto limit = nlohmann::json::parse(live.out)["most"].dump();
  ASSERT_EQ(run({"propose", scenes_, "--split", "test", "--method", "rpn", "--weights", rpn, "--limit", limit,
                 "--output", path("p.json")})
                .exit_code,
            0);
  EXPECT_EQ(run({"eval", scenes_, "--split", "test", "--proposal-file", path("p.json"), "--json"}).out,
            live.out);

  auto list = nlohmann::json::parse(std::ifstream(path("p.json")));
  const auto first = list.front().at("image_id");
  std::erase_if(list.get_ref<nlohmann::json::array_t&>(),
                [&](const auto& entry) { return entry.at("image_id") != first; });
  std::ofstream(path("one.json")) << list;
  const auto part = run({"eval", scenes_, "--split", "test", "--proposal-file", path("one.json"),
                         "--bad-images", "skip", "--json"});
  ASSERT_EQ(part.exit_code, 0) << part.err;
  EXPECT_THAT(nlohmann::json::parse(part.out)["reasons"].dump(), HasSubstr("bad_images=skip: "));
  EXPECT_FALSE(nlohmann::json::parse(part.out)["comparable"].get<bool>());
}

/// Options do what keys of the config do.
TEST_F(ProposeCommand, IterationsAndVotingAreOptionsOfWhatDetects) {
  const auto faster = weights("faster_rcnn");
  const auto scores = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = {"eval", "--weights", faster, "--json", "model.roi.score_threshold=0"};
    words.insert(words.end(), more.begin(), more.end());
    const auto finished = run(words);
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return finished.out;
  };
  const auto files = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = {"detect",      "--weights", faster, scenes_ / "JPEGImages",
                                      "--no-images", "--score",   "0",    "--output",
                                      path("d")};
    words.insert(words.end(), more.begin(), more.end());
    const auto finished = run(words);
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return file_bytes(path("d/detections.json"));
  };
  EXPECT_EQ(scores({"--iterations", "2", "--box-voting", "0.5"}),
            scores({"model.roi.iterations=2", "model.roi.box_voting.iou=0.5"}));
  const auto plain = files({});
  EXPECT_NE(files({"--iterations", "2"}), plain);
  EXPECT_NE(files({"--box-voting", "0.3"}), plain);
  EXPECT_EQ(files({"--box-voting", "0", "--iterations", "1"}), plain);
  EXPECT_THAT(error_of(run({"eval", "--weights", faster, "--iterations", "17"}), 2),
              HasSubstr("--iterations"));
}

}  // namespace
}  // namespace rcnn::tools
