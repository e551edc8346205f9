#include <algorithm>
#include <cmath>

#include <rcnn/config/config.h>
#include <rcnn/nn/models/box_voting.h>
#include <rcnn/nn/models/suppression.h>
#include <rcnn/ops/nms.h>

#include "tests/support/message_of.h"
#include "tests/support/naive_ops.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;
using Scores = BoxVotingOptions::Scores;

at::Tensor label(std::vector<int64_t> values) {
  return torch::tensor(values, at::kLong);
}

// methods of Detectron: three boxes of IoU 1, 0.9608 and 0.9231 with the first.
const Detections kThree = {
    torch::tensor({{0.f, 0.f, 100.f, 100.f}, {2.f, 0.f, 102.f, 100.f}, {0.f, 4.f, 100.f, 104.f}}),
    torch::tensor({0.9f, 0.6f, 0.3f}), label({1, 1, 1})};

Detections first_of(const Detections& all, int64_t count = 1) {
  return {all.boxes.slice(0, 0, count), all.scores.slice(0, 0, count), all.labels.slice(0, 0, count)};
}

TEST(BoxVoting, TheBoxIsTheMeanOfItsVotersByScore) {
  const auto voted = vote_boxes(first_of(kThree), kThree, {});
  EXPECT_TRUE(close(voted.boxes, torch::tensor({{0.66666667f, 0.66666667f, 100.66666667f, 100.66666667f}})));
  EXPECT_TRUE(identical(voted.scores, torch::tensor({0.9f})));
  EXPECT_TRUE(identical(voted.labels, label({1})));
  // 0.9231 is below.
  const auto two = vote_boxes(first_of(kThree), kThree, {.iou = 0.95});
  EXPECT_TRUE(close(two.boxes, torch::tensor({{0.8f, 0.f, 100.8f, 100.f}})));
}

TEST(BoxVoting, TheScoreIsWhatTheRuleMakesOfTheVotes) {
  const auto score = [](Scores scores, double beta = 1) {
    return vote_boxes(first_of(kThree), kThree, {.scores = scores, .beta = beta}).scores.item<double>();
  };
  const double iou = 100. * 98 / (20000 - 9800), other = 100. * 96 / (20000 - 9600);
  const auto tempered = [](double s, double beta) {
    const double yes = std::pow(s, 1 / beta), no = std::pow(1 - s, 1 / beta);
    return yes / (yes + no);
  };
  EXPECT_NEAR(score(Scores::avg), 0.6, 1e-6);
  EXPECT_NEAR(score(Scores::iou_avg), (0.9 + iou * 0.6 + other * 0.3) / (1 + iou + other), 1e-6);
  EXPECT_NEAR(score(Scores::temp_avg), 0.6, 1e-6);
  EXPECT_NEAR(score(Scores::temp_avg, 2), (tempered(0.9, 2) + tempered(0.6, 2) + tempered(0.3, 2)) / 3, 1e-6);
  EXPECT_NEAR(score(Scores::generalized_avg, 2), std::sqrt((0.81 + 0.36 + 0.09) / 3), 1e-6);
  EXPECT_NEAR(score(Scores::quasi_sum, 0.5), 1.8 / std::sqrt(3), 1e-6);
}

TEST(BoxVoting, OnlyItsOwnClassVotes) {
  auto mixed = kThree;
  mixed.labels = label({1, 2, 1});
  const auto voted = vote_boxes(first_of(mixed), mixed, {.scores = Scores::avg});
  EXPECT_TRUE(close(voted.boxes, torch::tensor({{0.f, 1.f, 100.f, 101.f}})));
  EXPECT_NEAR(voted.scores.item<double>(), 0.6, 1e-6);
}

TEST(BoxVoting, WhatHasNoAreaOrIsNoNumberMovesNothing) {
  auto odd = kThree;
  odd.boxes = at::cat({odd.boxes, torch::tensor({{5.f, 5.f, 5.f, 9.f}}), torch::full({1, 4}, std::nanf(""))});
  odd.scores = at::cat({odd.scores, torch::tensor({0.8f, 0.7f})});
  odd.labels = label({1, 1, 1, 1, 1});
  const Detections kept = {odd.boxes.slice(0, 3, 5), odd.scores.slice(0, 3, 5), odd.labels.slice(0, 3, 5)};
  const auto stayed = vote_boxes(kept, odd, {.scores = Scores::quasi_sum});
  EXPECT_TRUE(identical(stayed.boxes, kept.boxes));
  EXPECT_TRUE(identical(stayed.scores, kept.scores));
  EXPECT_TRUE(
      identical(vote_boxes(first_of(odd), odd, {}).boxes, vote_boxes(first_of(kThree), kThree, {}).boxes));
  const auto none = first_of(kThree, 0);
  EXPECT_EQ(vote_boxes(none, kThree, {.scores = Scores::avg}).boxes.sizes(), (at::IntArrayRef{0, 4}));
  EXPECT_EQ(vote_boxes(none, none, {}).scores.size(0), 0);
}

Detections many_candidates(int64_t count) {
  const auto corner = at::rand({count, 2}) * 60;
  return {at::cat({corner, corner + at::rand({count, 2}) * 20 + 10}, 1), at::rand({count}),
          at::randint(1, 4, {count}, at::kLong)};
}

TEST(BoxVoting, AfterNmsIsThatOfEachKeptBoxAlone) {
  for (const int seed : {1, 2}) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    torch::manual_seed(seed);
    const auto all = many_candidates(300);
    for (const auto method : {SuppressionOptions::Method::hard, SuppressionOptions::Method::soft_linear}) {
      const SuppressionOptions plain{.method = method, .nms_threshold = 0.3};
      auto voting = plain;
      voting.voting = {.iou = 0.5};
      const auto before = suppress(all, plain), after = suppress(all, voting);
      EXPECT_TRUE(identical(after.scores, before.scores));
      EXPECT_TRUE(identical(after.labels, before.labels));
      const auto box = naive_boxes(all.boxes);
      for (int64_t i = 0; i < before.scores.size(0); ++i) {
        const auto own = naive_box(before.boxes, i);
        auto sum = at::zeros({4}, at::kDouble);
        double weight = 0;
        for (size_t j = 0; j < box.size(); ++j) {
          const auto row = static_cast<int64_t>(j);
          const double score = all.scores[row].item<double>();
          if (score <= plain.score_threshold || naive_iou(own, box[j]) < 0.5) continue;
          if (all.labels[row].item<int64_t>() != before.labels[i].item<int64_t>()) continue;
          sum += all.boxes[row].to(at::kDouble) * score;
          weight += score;
        }
        EXPECT_TRUE(close(after.boxes[i], (sum / weight).to(at::kFloat), 1e-4)) << i;
      }
    }
  }
}

TEST(BoxVoting, ScoresThatChangeDecideWhichAreTheBest) {
  torch::manual_seed(3);
  const auto all = many_candidates(300);
  const BoxVotingOptions rule{.iou = 0.5, .scores = Scores::quasi_sum, .beta = 0.5};
  const auto found = suppress(all, {.nms_threshold = 0.3, .voting = rule, .max_detections = 7});
  const auto above = (all.scores > 0.05).nonzero().squeeze(1);
  const Detections candidates = {all.boxes.index_select(0, above), all.scores.index_select(0, above),
                                 all.labels.index_select(0, above)};
  const auto rows = ops::batched_nms(candidates.boxes, candidates.scores, candidates.labels, 0.3);
  const auto voted =
      vote_boxes({candidates.boxes.index_select(0, rows), candidates.scores.index_select(0, rows),
                  candidates.labels.index_select(0, rows)},
                 candidates, rule);
  EXPECT_TRUE(identical(found.scores, std::get<0>(voted.scores.topk(7))));
}

TEST(BoxVoting, IsReadFromAnObject) {
  const auto options = [](const std::string& json) {
    return SuppressionOptions::from(config::Config::parse(json, "f.json").root());
  };
  EXPECT_FALSE(options("{}").voting.has_value());
  EXPECT_EQ(options(R"({"box_voting": {}})").voting.value().iou, 0.8);
  EXPECT_EQ(options(R"({"box_voting": {}})").voting.value().scores, Scores::id);
  const auto own = options(R"({"box_voting": {"iou": 0.5, "scores": "temp_avg", "beta": 2}})").voting.value();
  EXPECT_EQ(own.iou, 0.5);
  EXPECT_EQ(own.scores, Scores::temp_avg);
  EXPECT_EQ(own.beta, 2);
  for (const auto& [json, part] : std::vector<std::pair<const char*, const char*>>{
           {R"({"box_voting": true})", "f.json: box_voting: must be an object"},
           {R"({"box_voting": {"iou": 2}})", "f.json: box_voting.iou"},
           {R"({"box_voting": {"scores": "average"}})", "box_voting.scores: must be one of id, avg"},
           {R"({"box_voting": {"beta": 0}})", "f.json: box_voting.beta"},
           {R"({"box_voting": {"threshold": 0.5}})", "f.json: box_voting.threshold: unknown key"}}) {
    const auto message = message_of<ConfigError>([&, text = json] { options(text); });
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace rcnn::nn
