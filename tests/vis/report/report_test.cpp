#include <cmath>
#include <regex>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/vis/report/report.h>

#include "tests/support/german_locale.h"

namespace rcnn::vis {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using Verdict = JudgedBox::Verdict;

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

/// Each element that is opened is closed, but for those that HTML closes itself.
void expect_balanced(const std::string& html) {
  for (const char* name :
       {"section", "figure", "svg", "g", "table", "div", "ul", "dl", "details", "main", "header"}) {
    const auto open = count(html, std::string("<") + name + ">") + count(html, std::string("<") + name + " ");
    EXPECT_EQ(open, count(html, std::string("</") + name + ">")) << name;
  }
}

/// A report of two classes in which everything is.
Report whole_report() {
  const std::vector<int64_t> categories{1, 2};
  const std::vector<eval::CocoTruth> truths{
      {.image_id = 1, .category_id = 1, .box = {0, 0, 40, 40}, .area = 1600},
      {.image_id = 2, .category_id = 2, .box = {0, 0, 40, 40}, .area = 1600}};
  const std::vector<eval::CocoDetection> detections{
      {.image_id = 1, .category_id = 1, .box = {0, 0, 40, 40}, .score = 0.9},
      {.image_id = 2, .category_id = 1, .box = {0, 0, 40, 40}, .score = 0.8}};
  Report report{.title = "A run"};
  report.facts = {{"mAP", "0.5"}};
  report.losses = {{.name = "loss", .x = {20, 40, 60}, .y = {3, 2, 1}},
                   {.name = "rpn", .x = {20, 40, 60}, .y = {1, 1, 1}}};
  report.lr = {.name = "lr", .x = {20, 40}, .y = {0.1, 0.01}};
  report.scores_in_training = {{.name = "mAP", .x = {60}, .y = {0.5}}};
  report.classes = {"cat", "dog"};
  report.map = eval::coco_map(truths, detections, categories);
  report.histogram = eval::score_histogram(detections, eval::coco_matches(truths, detections, categories));
  report.confusion = eval::confusion(truths, detections, categories);
  report.errors = eval::error_breakdown(truths, detections, categories);
  report.worst = {
      {.image = at::full({60, 80, 3}, 128, at::kByte),
       .name = "b.jpg",
       .remark = "F1 0.00",
       .boxes = {{Verdict::wrong, {0, 0, 40, 40}, 1, 0.8f}, {Verdict::missed, {0, 0, 40, 40}, 2}}}};
  report.best = {{.image = at::full({60, 80, 3}, 128, at::kByte),
                  .name = "a.jpg",
                  .boxes = {{Verdict::right, {0, 0, 40, 40}, 1, 0.9f}, {Verdict::found, {0, 0, 40, 40}, 1}}}};
  report.config = R"({"train": {"lr": 0.1}})";
  report.environment = {{"LibTorch", "2.11.0"}};
  return report;
}

const std::vector<std::string> kSections{"training",  "scores",    "classes",    "precision-recall",
                                         "histogram", "confusion", "errors",     "worst",
                                         "best",      "config",    "environment"};

TEST(Report, HasASectionForEverythingAndALinkToIt) {
  const auto html = to_html(whole_report());
  for (const auto& id : kSections) {
    EXPECT_THAT(html, HasSubstr("<section id=\"" + id + "\""));
    EXPECT_THAT(html, HasSubstr("<a href=\"#" + id + "\">"));
  }
  EXPECT_EQ(count(html, "<section "), kSections.size());
  expect_balanced(html);
}

TEST(Report, LeavesOutWhatThereIsNothingOf) {
  const auto html = to_html({.title = "Nothing"});
  EXPECT_EQ(count(html, "<section "), 0u);
  EXPECT_THAT(html, AllOf(HasSubstr("<h1>Nothing</h1>"), HasSubstr("<title>Nothing</title>")));
  expect_balanced(html);

  auto report = whole_report();
  report.worst.clear();
  report.lr = {};
  report.errors.reset();
  const auto less = to_html(report);
  EXPECT_EQ(count(less, "<section "), kSections.size() - 2);
  EXPECT_THAT(less, Not(HasSubstr("Learning rate")));
}

TEST(Report, NeedsNothingElse) {
  const auto html = to_html(whole_report());
  const std::regex address("(src|href)=\"([^\"]*)\"");
  int seen = 0;
  for (auto match = std::sregex_iterator(html.begin(), html.end(), address); match != std::sregex_iterator();
       ++match) {
    EXPECT_TRUE((*match)[2].str().starts_with('#') || (*match)[2].str().starts_with("data:")) << match->str();
    ++seen;
  }
  EXPECT_GT(seen, 10);
  EXPECT_THAT(html, AllOf(Not(HasSubstr("http://")), Not(HasSubstr("https://")), Not(HasSubstr("@import"))));
  EXPECT_THAT(html, HasSubstr("default-src 'none'"));
}

TEST(Report, HasTheNumbers) {
  const auto html = to_html(whole_report());
  EXPECT_THAT(html, HasSubstr("<dt>AP50</dt><dd>0.500</dd>"));
  // cat: found once, and once where a dog is, below; dog: never.
  EXPECT_THAT(html, HasSubstr("<tr><th scope=\"row\">cat<td>1<td style=\"--heat:1.000\">1.000"));
  EXPECT_THAT(html, HasSubstr("<tr><th scope=\"row\">dog<td>1<td style=\"--heat:0.000\">0.000"));
  EXPECT_LT(html.find("scope=\"row\">cat"), html.find("scope=\"row\">dog")) << "the best first";
  EXPECT_THAT(html, HasSubstr("<li>dog found as cat: 1 time</li>"));
  EXPECT_THAT(html,
              HasSubstr("<th scope=\"row\">classification<span class=\"meaning\">the box fits an object of "
                        "another class</span><td>1<td style"));
  EXPECT_THAT(html, HasSubstr("<title>0.9 to 0.95: 1 right</title>"));
  EXPECT_THAT(html, HasSubstr("<tr><th scope=\"row\">LibTorch<td>2.11.0"));
}

TEST(Report, CurvesHaveTheirPoints) {
  const auto html = to_html(whole_report());
  const std::regex curve("data-name=\"([^\"]*)\">(<title>[^<]*</title>)?<polyline points=\"([^\"]*)\"");
  std::map<std::string, std::vector<size_t>> points;
  for (auto match = std::sregex_iterator(html.begin(), html.end(), curve); match != std::sregex_iterator();
       ++match) {
    points[(*match)[1]].push_back(count((*match)[3], ","));
  }
  EXPECT_EQ(points["loss"], (std::vector<size_t>{3}));
  EXPECT_EQ(points["rpn"], (std::vector<size_t>{3}));
  EXPECT_EQ(points["lr"], (std::vector<size_t>{2}));
  EXPECT_EQ(points["all objects"], (std::vector<size_t>{10}));
  EXPECT_EQ(points["IoU 0.50"], (std::vector<size_t>{101, 101, 101})) << "the mean and two classes";
}

TEST(Report, ALongRunHasASmoothedLossToo) {
  Report report{.title = "long"};
  Curve loss{.name = "loss"};
  for (int i = 0; i < 200; ++i) {
    loss.x.push_back(i);
    loss.y.push_back(i % 2);
  }
  report.losses = {loss};
  EXPECT_THAT(to_html(report), HasSubstr("mean of 9 reports"));
}

TEST(Report, BoxesDifferInWordsAndKindOfLine) {
  const auto html = to_html(whole_report());
  EXPECT_THAT(html, HasSubstr("<title>wrong: cat 0.80</title>"));
  EXPECT_THAT(html, HasSubstr(">✗ cat 0.80</text>"));
  EXPECT_THAT(html, HasSubstr("<title>missed: dog</title>"));
  EXPECT_THAT(html, HasSubstr(">missed dog</text>"));
  EXPECT_THAT(html, HasSubstr("<li>right: cat 0.90, (0, 0) to (40, 40)</li>"));
  EXPECT_EQ(count(html, "src=\"data:image/jpeg;base64,/9j/"), 2u);
  EXPECT_THAT(html, AllOf(HasSubstr("class=\"show-wrong\" checked"), HasSubstr("class=\"show-object\">")));
}

TEST(Report, PicturesAreReducedWithTheirBoxes) {
  Report report{.title = "large", .classes = {"cat"}};
  report.images = {{.image = at::zeros({600, 1280, 3}, at::kByte),
                    .name = "a",
                    .boxes = {{Verdict::none, {640, 300, 1280, 5000}, 1, 0.5f}}}};
  const auto html = to_html(report);
  EXPECT_THAT(html, HasSubstr("width=\"640\" height=\"300\""));
  EXPECT_THAT(html, HasSubstr("<rect class=\"line\" x=\"320\" y=\"150\" width=\"320\" height=\"150\"/>"))
      << "cut at the border";
}

TEST(Report, LabelsDoNotCoverEachOther) {
  Report report{.title = "crowded", .classes = {"cat"}};
  ReportImage image{.image = at::zeros({400, 400, 3}, at::kByte), .name = "a"};
  for (int i = 0; i < 30; ++i) {
    image.boxes.push_back({Verdict::wrong, {100.0f + float(i), 100, 200, 200}, 1, 0.5f});
  }
  report.images = {image};
  const auto html = to_html(report);
  EXPECT_EQ(count(html, "<g class=\"box wrong"), 31u) << "and one in the legend";
  EXPECT_GE(count(html, "<g class=\"label wrong"), 3u);
  EXPECT_LT(count(html, "<g class=\"label wrong"), 10u);
}

TEST(Report, AnyBytesMayBeNames) {
  auto report = whole_report();
  const std::string bad = "<script>alert('x')</script>&\"\xff";
  report.title = report.subtitle = report.config = bad;
  report.warnings = {bad};
  report.classes = {bad, "Käse 猫"};
  report.losses[0].name = report.worst[0].name = report.worst[0].remark = bad;
  report.facts = report.environment = {{bad, bad}};
  const auto html = to_html(report);
  EXPECT_EQ(count(html, "<script"), 1u);
  EXPECT_EQ(count(html, "alert("),
            count(html, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;\xef\xbf\xbd"));
  EXPECT_THAT(html, HasSubstr("Käse 猫"));
  EXPECT_EQ(html.find('\xff'), std::string::npos);
  expect_balanced(html);
}

TEST(Report, ManyClassesHaveThoseWithTheMostErrorsInTheMatrix) {
  const int64_t classes = 80;
  Report report{.title = "many"};
  eval::Confusion confusion{.categories = classes, .counts = std::vector<int64_t>(81 * 81)};
  for (int64_t k = 0; k < classes; ++k) {
    report.classes.push_back("class " + std::to_string(k));
    confusion.counts[static_cast<size_t>(k * 81 + k)] = 5;
    if (k >= 20) confusion.counts[static_cast<size_t>(k * 81 + 80)] = 1;
  }
  report.confusion = confusion;
  const auto html = to_html(report);
  EXPECT_THAT(html,
              AllOf(HasSubstr("The 60 of 80 classes"), HasSubstr("class 20<"), Not(HasSubstr("class 19<"))));
  EXPECT_THAT(html, HasSubstr("No object was found as one of another class."));
}

TEST(Report, RefusesWhatDoesNotFit) {
  auto report = whole_report();
  report.classes.pop_back();
  EXPECT_THROW(to_html(report), c10::Error);
  report = whole_report();
  report.worst[0].image = at::zeros({60, 80, 3});
  EXPECT_THROW(to_html(report), c10::Error);
  report = whole_report();
  report.worst[0].boxes[0].label = 3;
  EXPECT_THROW(to_html(report), c10::Error);
  report = whole_report();
  report.worst[0].boxes[0].box.x1 = NAN;
  EXPECT_THROW(to_html(report), c10::Error);
}

TEST(Report, ADecimalCommaOfTheHostsLocaleChangesNothing) {
  const auto expected = to_html(whole_report());
  const GermanLocale german;
  if (!german) GTEST_SKIP() << GermanLocale::kNone;
  EXPECT_EQ(to_html(whole_report()), expected);
}

}  // namespace
}  // namespace rcnn::vis
