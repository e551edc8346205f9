// rcnn report: the page of a run and of a list of detections, and what a browser makes of it.

#include <filesystem>
#include <memory>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <rcnn/data/images/image.h>

#include "tests/support/json_lines.h"
#include "tests/support/temp_folder.h"
#include "tests/tools/rcnn.h"
#include "tools/rcnn/demo/scenes.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// A short run on drawn scenes, and its page.
class ReportCommand : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = std::make_unique<TempFolder>();
    tools::draw_scenes(folder() / "scenes", {.train = 6, .test = 5, .size = {64, 96}, .seed = 3});
    const auto config = shared_->write("config.json", tiny_config());
    trained_ = run_rcnn({"train", config, "--output", run(), "--device", "cpu", "train.iterations=7",
                         "eval.period=1", "model.roi.score_threshold=0"},
                        folder());
    made_ = run_rcnn({"report", run(), "--output", page(), "--score", "0.1"}, folder());
  }
  static void TearDownTestSuite() { shared_.reset(); }

  void SetUp() override {
    ASSERT_EQ(trained_.exit_code, 0) << trained_.err;
    ASSERT_EQ(made_.exit_code, 0) << made_.err;
  }

  static fs::path folder() { return shared_->path(); }
  static fs::path run() { return folder() / "run"; }
  static fs::path page() { return folder() / "run.html"; }

  Finished report(std::vector<std::string> words, const fs::path& data = folder()) const {
    words.insert(words.begin(), "report");
    words.insert(words.end(), {"--output", output_});
    return run_rcnn(words, data);
  }

  /// A copy of the run's folder, to take things from.
  fs::path copy_of_run() const {
    fs::copy(run(), temp_.path() / "run", fs::copy_options::recursive);
    return temp_.path() / "run";
  }

  static std::unique_ptr<TempFolder> shared_;
  static inline Finished trained_, made_;
  const TempFolder temp_;
  const std::string output_ = temp_.path() / "report.html";
};
std::unique_ptr<TempFolder> ReportCommand::shared_;

std::vector<std::string> sections_of(const std::string& html) {
  const std::regex section("<section id=\"([^\"]+)\"");
  std::vector<std::string> ids;
  for (auto match = std::sregex_iterator(html.begin(), html.end(), section); match != std::sregex_iterator();
       ++match) {
    ids.push_back((*match)[1]);
  }
  return ids;
}

const std::vector<std::string> kOfScores{"scores", "classes", "precision-recall", "histogram", "confusion",
                                         "errors", "worst"};

TEST_F(ReportCommand, ARunHasAPageWithEverything) {
  EXPECT_EQ(made_.out, "");
  EXPECT_THAT(made_.err, HasSubstr("report of " + run().string() + ": " + page().string()));
  EXPECT_THAT(made_.err, Not(HasSubstr("warning")));
  const auto html = file_bytes(page());
  auto ids = sections_of(html);
  std::erase(ids, "best");  // where anything was found at all
  std::vector<std::string> expected{"training"};
  expected.insert(expected.end(), kOfScores.begin(), kOfScores.end());
  expected.insert(expected.end(), {"config", "environment"});
  EXPECT_EQ(ids, expected);
  EXPECT_THAT(html,
              AllOf(HasSubstr("<title>run</title>"), HasSubstr("<dt>VOC mAP</dt>"), HasSubstr("LibTorch"),
                    HasSubstr("best.safetensors"), HasSubstr("&quot;iterations&quot;: 7")));
}

TEST_F(ReportCommand, LeavesTheRunAsItWasAndReplacesAnEarlierPage) {
  const auto files = [&] {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(run())) {
      names.insert(entry.path().filename().string() + " " + std::to_string(entry.file_size()));
    }
    return names;
  };
  const auto before = files();
  temp_.write("report.html", "an earlier one");
  EXPECT_EQ(report({run()}).exit_code, 0);
  EXPECT_EQ(files(), before);
  EXPECT_THAT(file_bytes(output_), HasSubstr("<h1>run</h1>"));
  EXPECT_EQ(std::distance(fs::directory_iterator(temp_.path()), {}), 1) << "and no file beside it";
}

TEST_F(ReportCommand, OverridesAndWeightsAreTaken) {
  const auto made =
      report({run(), "data.test.limit=2", "--weights", run() / "last.safetensors", "--images-shown", "1"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const auto html = file_bytes(output_);
  EXPECT_THAT(html, AllOf(HasSubstr("<dt>test images</dt><dd>2</dd>"),
                          HasSubstr("last.safetensors on the test part")));
  const std::regex picture("<figure class=\"shot\">");
  EXPECT_LE(std::distance(std::sregex_iterator(html.begin(), html.end(), picture), {}), 2);
}

TEST_F(ReportCommand, ARunWithoutWeightsHasWhatThereIs) {
  const auto copy = copy_of_run();
  fs::remove(copy / "best.safetensors");
  fs::remove(copy / "last.safetensors");
  std::ofstream(copy / "metrics.jsonl", std::ios::app) << R"({"epoch": 9, "iter)";
  const auto made = report({copy});
  EXPECT_EQ(made.exit_code, 0);
  EXPECT_THAT(made.err, HasSubstr("warning: missing in the report: scores and images: there is neither"));
  const auto html = file_bytes(output_);
  EXPECT_THAT(sections_of(html), ElementsAre("training", "config", "environment"));
  EXPECT_THAT(html, HasSubstr("<b>Missing:</b> scores and images"));
}

TEST_F(ReportCommand, ARunWithoutItsDataHasWhatThereIs) {
  const auto made = report({run()}, temp_.path());
  EXPECT_EQ(made.exit_code, 0);
  EXPECT_THAT(made.err,
              AllOf(HasSubstr("warning: missing in the report: scores and images"), HasSubstr("scenes")));
  EXPECT_THAT(sections_of(file_bytes(output_)), ElementsAre("training", "config", "environment"));
}

TEST_F(ReportCommand, ARunThatHasJustBegunHasWhatThereIs) {
  const auto copy = copy_of_run();
  for (const char* name : {"best.safetensors", "last.safetensors", "metrics.jsonl"}) fs::remove(copy / name);
  const auto made = report({copy});
  EXPECT_EQ(made.exit_code, 0);
  EXPECT_THAT(made.err, HasSubstr("losses: metrics.jsonl has no line yet"));
  EXPECT_THAT(sections_of(file_bytes(output_)), ElementsAre("config", "environment"));
}

TEST_F(ReportCommand, WhatIsWrongIsSaidInOneLine) {
  EXPECT_THAT(error_of(report({"no/such/run"}), 2), HasSubstr("no/such/run"));
  EXPECT_THAT(error_of(report({folder() / "scenes"}), 2), HasSubstr("holds no run"));
  EXPECT_THAT(error_of(run_rcnn({"report", run(), "--output", temp_.path()}), 2), HasSubstr("is a folder"));
  EXPECT_THAT(error_of(run_rcnn({"report", run(), "--output", temp_.path() / "a" / "b.html"}), 2),
              HasSubstr("there is no folder"));
  EXPECT_THAT(error_of(report({run(), "--annotations", "gt.json"}), 2), HasSubstr("goes with a list"));
  EXPECT_THAT(error_of(report({run(), "data.tes.limit=1"}), 2), HasSubstr("did you mean test?"));
  EXPECT_THAT(error_of(report({run(), "--weights", "none.safetensors"}), 4), HasSubstr("none.safetensors"));
  const auto list = temp_.write("dt.json", "[]");
  EXPECT_THAT(error_of(report({list, "--weights", "w"}), 2), HasSubstr("--weights goes with a run's folder"));
  EXPECT_THAT(error_of(report({list, "--device", "cpu"}), 2), HasSubstr("--device goes with a run's folder"));
  EXPECT_THAT(error_of(report({list, "data.root=x"}), 2), HasSubstr("overrides goes with a run's folder"));
  EXPECT_THAT(error_of(report({run(), "--images", "x"}), 2), HasSubstr("--images goes with a list"));
  EXPECT_THAT(error_of(report({list, "--max-dets", "200"}), 2), HasSubstr("--annotations"));
  EXPECT_THAT(error_of(report({list, "--score", "nan"}), 2), HasSubstr("--score"));
  EXPECT_THAT(error_of(report({list, "--images-shown", "-1"}), 2), HasSubstr("--images-shown"));
  EXPECT_THAT(error_of(report({temp_.write("x.json", "{}")}), 3), HasSubstr("no list of results"));
  EXPECT_FALSE(fs::exists(output_));
}

/// A list as rcnn detect writes it, and the annotations of its images, whose ids are others.
class ReportOfDetections : public testing::Test {
 protected:
  ReportOfDetections() {
    for (const char* name : {"photos/a.jpg", "photos/b.jpg"}) {
      fs::create_directories(temp_.path() / "photos");
      data::write_image(temp_.path() / name, at::full({64, 96, 3}, 128, at::kByte));
    }
  }

  Finished report(std::vector<std::string> words) const {
    words.insert(words.begin(), {"report", found_, "--output", output_});
    return run_rcnn(words, temp_.path());
  }

  const TempFolder temp_;
  const std::string output_ = temp_.path() / "report.html";
  const std::string photos_ = temp_.path() / "photos";
  const std::string found_ = temp_.write("dt.json", R"([
    {"image_id": 1, "file_name": "a.jpg", "category_id": 1, "category_name": "cat", "bbox": [8, 8, 40, 40], "score": 0.9},
    {"image_id": 2, "file_name": "b.jpg", "category_id": 1, "category_name": "cat", "bbox": [8, 8, 50, 50], "score": 0.8}])");
  const std::string truths_ = temp_.write("gt.json", R"({
    "images": [{"id": 700, "file_name": "a.jpg"}, {"id": 1, "file_name": "b.jpg"}],
    "categories": [{"id": 90, "name": "cat"}, {"id": 3, "name": "dog"}],
    "annotations": [{"id": 1, "image_id": 700, "category_id": 90, "bbox": [8, 8, 40, 40], "area": 1600, "iscrowd": 0},
                    {"id": 2, "image_id": 1, "category_id": 3, "bbox": [8, 8, 50, 50], "area": 2500, "iscrowd": 0}]})");
};

TEST_F(ReportOfDetections, WithAnnotationsIsScored) {
  const auto made = report({"--annotations", truths_, "--images", photos_});
  EXPECT_EQ(made.exit_code, 0) << made.err;
  EXPECT_THAT(made.err, AllOf(HasSubstr("image ids of 2 of 2 results"), HasSubstr("category ids of 2 of 2")));
  const auto html = file_bytes(output_);
  EXPECT_THAT(sections_of(html), ElementsAre("scores", "classes", "precision-recall", "histogram",
                                             "confusion", "errors", "worst", "best", "environment"));
  EXPECT_THAT(html, AllOf(HasSubstr("<dt>AP50</dt><dd>0.500</dd>"), HasSubstr("dog found as cat: 1 time"),
                          HasSubstr("<title>wrong: cat 0.80</title>"),
                          HasSubstr("<b>Note:</b> the image ids of 2 of 2 results"),
                          HasSubstr("Comparable with published scores: yes.")));
  ASSERT_EQ(report({"--annotations", truths_, "--max-dets", "200"}).exit_code, 0);
  EXPECT_THAT(file_bytes(output_), AllOf(HasSubstr("<dt>AR200</dt>"), HasSubstr("at most 200 detections"),
                                         HasSubstr("Comparable with published scores: no: ")));
}

TEST_F(ReportOfDetections, JoinedListsWithTheSameIdsAreRefused) {
  const auto list = temp_.write("joined.json", R"([
    {"image_id": 1, "file_name": "x/a.jpg", "category_id": 1, "bbox": [8, 8, 40, 40], "score": 0.9},
    {"image_id": 1, "file_name": "y/a.jpg", "category_id": 1, "bbox": [8, 8, 40, 40], "score": 0.9}])");
  EXPECT_THAT(error_of(run_rcnn({"report", list, "--output", output_}), 3),
              HasSubstr("image 1 is x/a.jpg and y/a.jpg"));
}

TEST_F(ReportOfDetections, AloneHasWhatNeedsNoTruth) {
  const auto made = report({"--images", photos_});
  EXPECT_EQ(made.exit_code, 0) << made.err;
  EXPECT_THAT(made.err, HasSubstr("warning: missing in the report: scores, errors and confusions"));
  const auto html = file_bytes(output_);
  EXPECT_THAT(sections_of(html), ElementsAre("histogram", "found", "images", "environment"));
  EXPECT_THAT(html,
              AllOf(HasSubstr("<b>a.jpg</b> 1 detection"), HasSubstr("cat"), Not(HasSubstr("<title>wrong"))));
}

TEST_F(ReportOfDetections, SaysWhatImagesAreMissing) {
  EXPECT_THAT(report({}).err, HasSubstr("--images FOLDER says where they are"));
  fs::remove(photos_ + "/a.jpg");
  const auto made = report({"--images", photos_});
  EXPECT_EQ(made.exit_code, 0);
  EXPECT_THAT(made.err, AllOf(HasSubstr("images that cannot be read, the first: "), HasSubstr("a.jpg")));
  EXPECT_THAT(file_bytes(output_), HasSubstr("<b>b.jpg</b>"));
}

TEST_F(ReportOfDetections, FindsImagesWhereTheListSaysOrByTheirNamesAlone) {
  const auto list = temp_.write("elsewhere.json", R"([{"image_id": 1, "file_name": ")" + photos_ +
                                                      R"(/a.jpg", "category_id": 1, "category_name": "cat",
                                 "bbox": [8, 8, 40, 40], "score": 0.9}])");
  ASSERT_EQ(run_rcnn({"report", list, "--output", output_}).exit_code, 0);
  EXPECT_THAT(file_bytes(output_), HasSubstr("a.jpg</b> 1 detection"));
  const auto moved = temp_.path() / "moved";
  fs::rename(photos_, moved);
  ASSERT_EQ(run_rcnn({"report", list, "--output", output_, "--images", moved}).exit_code, 0);
  EXPECT_THAT(file_bytes(output_), HasSubstr("a.jpg</b> 1 detection"));
}

TEST_F(ReportOfDetections, OfAnotherDataSetIsRefused) {
  const auto other =
      temp_.write("other.json", R"({"images": [{"id": 1, "file_name": "z.jpg"}], "annotations": [],
    "categories": [{"id": 1, "name": "cat"}]})");
  EXPECT_THAT(error_of(report({"--annotations", other}), 3), AllOf(HasSubstr("dt.json"), HasSubstr("a.jpg")));
}

/// What read_page.py tells about a page.
json seen_by_browser(const fs::path& page) {
  const auto seen = run_program("/usr/bin/env", {"python3", RCNN_READ_PAGE, RCNN_BROWSER, page});
  EXPECT_EQ(seen.exit_code, 0) << seen.err;
  return json::parse(seen.out, nullptr, /*allow_exceptions=*/false);
}

const json& chart(const json& seen, const std::string& label) {
  for (const auto& chart : seen["charts"]) {
    if (chart["label"] == label) return chart;
  }
  ADD_FAILURE() << "no chart " << label;
  return seen["charts"][0];
}

TEST_F(ReportCommand, ABrowserShowsAllOfIt) {
  if (std::string(RCNN_BROWSER).empty()) GTEST_SKIP() << "there is no chromium; tools/test.sh installs it";
  const auto seen = seen_by_browser(page());
  ASSERT_TRUE(seen.is_object());
  EXPECT_THAT(seen["console"], IsEmpty());
  EXPECT_EQ(seen["requests"], json::array({"file://" + page().string()}));

  // The plots have their points.
  size_t reports = 0, scores = 0;
  for (const auto& line : json_lines(run() / "metrics.jsonl")) ++(line.contains("scores") ? scores : reports);
  EXPECT_EQ(reports, 7u);
  EXPECT_EQ(chart(seen, "Loss")["curves"], (json{{"loss", reports}}));
  EXPECT_EQ(chart(seen, "Learning rate")["curves"], (json{{"learning rate", reports}}));
  EXPECT_EQ(chart(seen, "Scores in training")["curves"], (json{{"mAP", scores}}));
  const auto& parts = chart(seen, "Parts of the loss")["curves"];
  EXPECT_EQ(parts.size(), 4u);
  for (const auto& [name, points] : parts.items()) EXPECT_EQ(points, reports) << name;
  const auto& precision = chart(seen, "Precision over recall, mean over the classes")["curves"];
  EXPECT_EQ(precision.size(), 3u);
  for (const auto& [name, points] : precision.items()) EXPECT_EQ(points, 101) << name;
  EXPECT_EQ(chart(seen, "Average precision over the IoU threshold")["curves"]["all objects"], 10);
  const auto html = file_bytes(page());
  const std::regex bar("<rect class=\"bar b[12]\" x");
  EXPECT_EQ(chart(seen, "Detections by score")["bars"].get<ptrdiff_t>(),
            std::distance(std::sregex_iterator(html.begin(), html.end(), bar), {}));
  for (const auto& chart : seen["charts"]) EXPECT_TRUE(chart["inside"].get<bool>()) << chart["label"];

  EXPECT_FALSE(seen["pictures"].empty());
  EXPECT_THAT(seen["pictures"].get<std::vector<bool>>(), Each(true)) << "decoded";
  EXPECT_GT(seen["boxes"].get<int>(), 0);

  // The script's additions work, and the page is as whole without them.
  const auto& added = seen["conveniences"];
  EXPECT_THAT(added["values"].get<std::string>(), HasSubstr("loss "));
  EXPECT_EQ(added["hidden"], "hidden");
  const auto sorted = added["sorted"].get<std::vector<std::string>>();
  ASSERT_EQ(sorted.size(), 5u);
  EXPECT_TRUE(
      std::ranges::is_sorted(sorted, std::greater<>(), [](const auto& text) { return std::stoi(text); }));
  EXPECT_EQ(added["enlarged"], true);
  const auto& plain = seen["without_scripts"];
  for (const char* part : {"sections", "charts", "pictures", "boxes", "text"})
    EXPECT_EQ(plain[part], seen[part]) << part;

  // Nothing sticks out at the side, on a phone neither.
  EXPECT_EQ(seen["overflow"], (json{{"desk", 0}, {"phone", 0}}));
  EXPECT_NE(seen["colours"]["light"], seen["colours"]["dark"]);
}

TEST_F(ReportOfDetections, EmbedsNothingFromOutsideOfTheFolder) {
  data::write_image(temp_.path() / "secret.png", at::full({60, 80, 3}, 200, at::kByte));
  fs::create_symlink(temp_.path() / "secret.png", photos_ + "/link.png");
  const auto picture = [](const std::string& html) {
    return html.find("data:image/jpeg") != std::string::npos;
  };
  for (const std::string& name :
       {std::string("../secret.png"), temp_.path().string() + "/secret.png", std::string("link.png")}) {
    const auto truths = temp_.write("outside.json", R"({"images": [{"id": 1, "file_name": ")" + name + R"("}],
      "categories": [{"id": 1, "name": "cat"}],
      "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [8, 8, 40, 40], "area": 1600, "iscrowd": 0}]})");
    const auto list =
        temp_.write("no_names.json", R"([{"image_id": 1, "category_id": 1, "bbox": [8, 8, 40, 40],
                                                       "score": 0.9}])");
    const auto made =
        run_rcnn({"report", list, "--annotations", truths, "--images", photos_, "--output", output_});
    EXPECT_EQ(made.exit_code, 0) << made.err;
    EXPECT_THAT(made.err, AllOf(HasSubstr("names lead out of " + photos_ + ": 1, such as " + name)));
    EXPECT_FALSE(picture(file_bytes(output_))) << name;
  }
  // Beside others that lie there.
  const auto list = temp_.write("both.json", R"([
    {"image_id": 1, "file_name": "a.jpg", "category_id": 1, "category_name": "cat", "bbox": [8, 8, 40, 40], "score": 0.9},
    {"image_id": 2, "file_name": "link.png", "category_id": 1, "category_name": "cat", "bbox": [8, 8, 50, 50], "score": 0.8}])");
  const auto made = run_rcnn({"report", list, "--images", photos_, "--output", output_});
  EXPECT_EQ(made.exit_code, 0) << made.err;
  EXPECT_THAT(made.err, HasSubstr("names lead out of " + photos_ + ": 1, such as link.png"));
  EXPECT_TRUE(picture(file_bytes(output_)));
  EXPECT_THAT(file_bytes(output_), AllOf(HasSubstr("<b>a.jpg</b>"), Not(HasSubstr("<b>link.png</b>"))));
}

}  // namespace
}  // namespace rcnn::tools
