#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/fmt/fmt.h>

#include <rcnn/config/config.h>
#include <rcnn/data/fingerprint.h>
#include <rcnn/data/options.h>
#include <rcnn/data/proposals/proposal_file.h>
#include <rcnn/error.h>

#include "data/record_list.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"
#include "tools/rcnn/demo/scenes.h"

namespace rcnn::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// Images of 100 x 50 pixels, each of one colour that is its place.
class PlainImages : public RecordList {
 public:
  using RecordList::RecordList;
  at::Tensor image(int64_t index) const override { return at::full({50, 100, 3}, index, at::kByte); }
};

std::shared_ptr<Dataset> images(const std::vector<std::string>& ids) {
  std::vector<Record> records;
  for (const auto& id : ids) {
    records.push_back({.id = id,
                       .image = id + ".jpg",
                       .size = {50, 100},
                       .objects = {{.box = {1, 2, 30, 40}, .label = 1}}});
  }
  return std::make_shared<PlainImages>(std::move(records), std::vector<Category>{{1, "thing"}});
}

ProposalOptions options_of(int64_t limit = 0) {
  return {.file = "p.json", .limit = limit};
}

TEST(WithProposals, JoinsById) {
  Problems problems;
  const auto joined = with_proposals(
      images({"b", "a"}),
      {.images = {{.id = "a", .boxes = {{0, 0, 5, 6}}, .scores = {1}},
                  {.id = "b", .boxes = {{1, 0, 5, 6}, {2, 0, 5, 6}, {3, 0, 5, 6}}, .scores = {3, 2, 1}}}},
      options_of(2), problems);
  ASSERT_EQ(joined->size(), 2);
  EXPECT_EQ(joined->record(0).id, "b");
  EXPECT_THAT(*joined->record(0).proposals, ElementsAre(Box{1, 0, 5, 6}, Box{2, 0, 5, 6}));
  EXPECT_THAT(*joined->record(1).proposals, ElementsAre(Box{0, 0, 5, 6}));
  EXPECT_EQ(joined->record(1).objects.size(), 1u);
  EXPECT_EQ(joined->categories().front().name, "thing");
  EXPECT_EQ(joined->image(1)[0][0][0].item<int>(), 1);
  EXPECT_THAT(problems.kinds(), IsEmpty());
}

/// COCO's ids are numbers, and its files those that another format calls by their names.
TEST(WithProposals, JoinsByNamesOfFilesWhereNoIdIsKnown) {
  const auto numbered = [](const std::string& second) {
    return std::make_shared<RecordList>(
        std::vector<Record>{{.id = "1", .image = "p/b.jpg", .size = {50, 100}},
                            {.id = "2", .image = second, .size = {50, 100}}},
        std::vector<Category>{{1, "thing"}});
  };
  const ProposalList list{
      .images = {{.id = "a", .boxes = {{0, 0, 5, 6}}}, {.id = "b", .boxes = {{1, 0, 5, 6}}}}};
  Problems problems, alike;
  const auto joined = with_proposals(numbered("p/a.jpg"), list, options_of(), problems);
  EXPECT_THAT(problems.kinds(), IsEmpty());
  EXPECT_THAT(*joined->record(0).proposals, ElementsAre(Box{1, 0, 5, 6}));
  EXPECT_THAT(*joined->record(1).proposals, ElementsAre(Box{0, 0, 5, 6}));
  const ProposalList whole_names{
      .images = {{.id = "a.jpg", .boxes = {{0, 0, 5, 6}}}, {.id = "b.jpg", .boxes = {{1, 0, 5, 6}}}}};
  const auto by_whole_names = with_proposals(numbered("p/a.jpg"), whole_names, options_of(), problems);
  EXPECT_THAT(problems.kinds(), IsEmpty());
  EXPECT_THAT(*by_whole_names->record(0).proposals, ElementsAre(Box{1, 0, 5, 6}));
  with_proposals(numbered("q/b.jpg"), list, options_of(), alike);
  EXPECT_THAT(alike.text(Severity::error), HasSubstr("are of other images"));
}

TEST(WithProposals, ListsWithoutIdsAreInTheSetsOrder) {
  const auto of = [](int64_t count, Problems& problems) {
    return with_proposals(
        images({"a", "b"}),
        {.images = std::vector<ImageProposals>(static_cast<size_t>(count), {.boxes = {{0, 0, 5, 6}}}),
         .has_ids = false},
        options_of(), problems);
  };
  Problems good, bad;
  EXPECT_EQ(of(2, good)->record(1).proposals->size(), 1u);
  EXPECT_THAT(good.kinds(), IsEmpty());
  of(3, bad);
  EXPECT_THAT(bad.text(Severity::error),
              AllOf(HasSubstr("without image ids must be of all images of the data set"),
                    HasSubstr("p.json: 3 images for 2 of the data set")));
}

TEST(WithProposals, ProposalsOfOtherImages) {
  Problems others;
  with_proposals(images({"a", "b"}), {.images = {{.id = "1"}, {.id = "2"}}}, options_of(), others);
  EXPECT_THAT(
      others.text(Severity::error),
      HasSubstr("the proposals are of other images: none of their ids is in the data set, nor a name of its "
                "files: p.json: its first image is \"1\", the data set's \"a\""));

  // Some are there, some are missing, some are of no image of the set.
  const ProposalList list{.images = {{.id = "a", .boxes = {{0, 0, 5, 6}}}, {.id = "x"}, {.id = "y"}}};
  Problems stopped;
  with_proposals(images({"a", "b"}), list, options_of(), stopped);
  EXPECT_THAT(stopped.text(Severity::error),
              HasSubstr("images without an entry in p.json (bad_images=skip leaves it out): b"));
  EXPECT_THAT(stopped.text(Severity::warning), HasSubstr("p.json: 2 of 3 images"));
  Problems skipped;
  auto options = options_of();
  options.bad_images = Policy::skip;
  const auto joined = with_proposals(images({"b", "a"}), list, options, skipped);
  EXPECT_FALSE(skipped.has(Severity::error));
  ASSERT_EQ(joined->size(), 1);
  EXPECT_EQ(joined->record(0).id, "a");
  EXPECT_EQ(joined->image(0)[0][0][0].item<int>(), 1) << "the image is that of the record";
}

TEST(WithProposals, AnImageMayHaveNone) {
  Problems problems;
  const auto joined =
      with_proposals(images({"a", "b"}), {.images = {{.id = "a"}, {.id = "b", .boxes = {{0, 0, 1, 1}}}}},
                     options_of(), problems);
  ASSERT_TRUE(joined->record(0).proposals);
  EXPECT_THAT(*joined->record(0).proposals, IsEmpty());
  EXPECT_FALSE(problems.has(Severity::error));
  EXPECT_THAT(problems.text(Severity::warning), HasSubstr("an image without proposals: a"));
}

TEST(WithProposals, BoxesBeyondTheirImage) {
  const auto of = [](std::vector<Box> boxes, Problems& problems, Policy bad_boxes = Policy::skip) {
    auto options = options_of();
    options.bad_boxes = bad_boxes;
    return with_proposals(images({"a"}), {.images = {{.id = "a", .boxes = std::move(boxes)}}}, options,
                          problems);
  };
  // What scaling leaves is cut off.
  Problems good;
  const auto joined = of({{-0.5F, 0, 100.875F, 50.5F}, {99.5F, 0, 100, 50}}, good);
  EXPECT_THAT(*joined->record(0).proposals, ElementsAre(Box{0, 0, 100, 50}, Box{99.5F, 0, 100, 50}));
  EXPECT_THAT(good.kinds(), IsEmpty());
  // One pixel is what counting from 1 makes of a box at the border.
  for (const Box& beyond : {Box{0, 0, 101, 50}, Box{0, 0, 100, 51}, Box{-1, 0, 9, 9}, Box{0, -1, 9, 9},
                            Box{200, 200, 300, 300}}) {
    Problems bad;
    of({{0, 0, 9, 9}, beyond, beyond}, bad);
    EXPECT_THAT(
        bad.text(Severity::error),
        AllOf(HasSubstr("of another size, for other images, or count pixels from another number"),
              HasSubstr("p.json: 2 boxes of 1 image, the first is ("), HasSubstr("on image a of 100 x 50")));
  }
  // Without size, or only at the border.
  const std::vector<Box> thin = {{5, 5, 5, 9}, {100, 0, 100.5F, 50}, {0, 0, 9, 9}};
  Problems skipped, stopped;
  EXPECT_THAT(*of(thin, skipped)->record(0).proposals, ElementsAre(Box{0, 0, 9, 9}));
  EXPECT_THAT(
      skipped.text(Severity::warning),
      HasSubstr("dropped: proposals without width or height: image a: 2 of 3, the first is (5, 5, 5, 9)"));
  of(thin, stopped, Policy::stop);
  EXPECT_THAT(stopped.text(Severity::error), HasSubstr("(bad_boxes=skip leaves it out)"));
}

TEST(WithProposals, TheFingerprintCoversThem) {
  const auto number = [](std::vector<Box> boxes) {
    Problems problems;
    return fingerprint(*with_proposals(images({"a"}), {.images = {{.id = "a", .boxes = std::move(boxes)}}},
                                       options_of(), problems));
  };
  EXPECT_EQ(number({{0, 0, 5, 5}}), number({{0, 0, 5, 5}}));
  EXPECT_NE(number({{0, 0, 5, 5}}), number({{0, 0, 5, 6}}));
  EXPECT_NE(number({{0, 0, 5, 5}}), fingerprint(*images({"a"})));
}

/// A data set of scenes with a file of proposals for a part.
class OpenWithProposals : public testing::Test {
 protected:
  OpenWithProposals() {
    tools::draw_scenes(root(), {.train = 3, .test = 2, .size = {64, 96}});
    options_.root = root();
    write("p.json", {"scene_00001", "scene_00002", "scene_00003"});
    options_.train.proposals = folder_.path() / "p.json";
  }

  std::filesystem::path root() const { return folder_.path() / "scenes"; }

  void write(const char* name, const std::vector<std::string>& ids) {
    ProposalList list;
    for (const auto& id : ids) {
      const auto x = static_cast<float>(list.images.size());
      list.images.push_back({.id = id, .boxes = {{x, 0, 20, 10}, {x, 0, 30, 10}}, .scores = {2, 1}});
    }
    write_proposals(folder_.path() / name, list);
  }

  const TempFolder folder_;
  DataOptions options_;
};

TEST_F(OpenWithProposals, GivesThemToTheImages) {
  const auto dataset = open(options_, options_.train);
  ASSERT_EQ(dataset->size(), 3);
  EXPECT_THAT(*dataset->record(2).proposals, ElementsAre(Box{2, 0, 20, 10}, Box{2, 0, 30, 10}));
  EXPECT_EQ(dataset->image(2).sizes(), (std::vector<int64_t>{64, 96, 3}));
  EXPECT_FALSE(open(options_, options_.test)->record(0).proposals);
  options_.train.proposal_limit = 1;
  options_.train.limit = 2;
  const auto limited = open(options_, options_.train);
  ASSERT_EQ(limited->size(), 2);
  EXPECT_THAT(*limited->record(1).proposals, ElementsAre(Box{1, 0, 20, 10}));
}

TEST_F(OpenWithProposals, SaysEverythingAtOnce) {
  write("p.json", {"scene_00001", "scene_00003"});
  std::filesystem::remove(root() / "JPEGImages/scene_00003.jpg");
  EXPECT_THAT(message_of<DataError>([&] { open(options_, options_.train); }),
              AllOf(HasSubstr("JPEGImages/scene_00003"), HasSubstr("images without an entry in"),
                    HasSubstr("scene_00002")));
  folder_.write("p.json", "[");
  EXPECT_THAT(message_of<DataError>([&] { open(options_, options_.train); }),
              AllOf(HasSubstr("JPEGImages/scene_00003"), HasSubstr("the proposals cannot be used"),
                    HasSubstr("p.json")));
  options_.train.proposals = folder_.path() / "none.pkl";
  EXPECT_THAT(message_of<DataError>([&] { open(options_, options_.train); }),
              AllOf(HasSubstr("none.pkl: cannot be read"), HasSubstr("scenes")));
}

TEST_F(OpenWithProposals, OneFileIsOfAllSources) {
  const auto other = folder_.path() / "other";
  tools::draw_scenes(other, {.train = 2, .test = 1, .size = {64, 96}, .seed = 1});
  options_.train.sources = {{.name = "one", .root = root(), .split = "train"},
                            {.name = "two", .root = other, .split = "train"}};
  write("p.json", {"scene_00001", "scene_00002", "scene_00003", "two/scene_00001", "two/scene_00002"});
  const auto dataset = open(options_, options_.train);
  ASSERT_EQ(dataset->size(), 5);
  EXPECT_EQ(dataset->record(4).proposals->front(), (Box{4, 0, 20, 10}));
}

TEST_F(OpenWithProposals, ConfigsNameThem) {
  const auto read = [](const std::string& text) {
    return DataOptions::from(config::Config::parse(text, "here").root());
  };
  const auto options = read(R"({"train": {"proposals": "/p/train.json", "proposal_limit": 300},
                                "test": {"proposals": "/p/test.mat"}})");
  EXPECT_EQ(options.train.proposals, "/p/train.json");
  EXPECT_EQ(options.train.proposal_limit, 300);
  EXPECT_EQ(options.test.proposals, "/p/test.mat");
  EXPECT_EQ(options.test.proposal_limit, 2000);
  EXPECT_EQ(read(R"({"train": {"proposals": "a.pkl"}})").train.proposals, config::data_path("a.pkl"));
  EXPECT_EQ(read("{}").train.proposals, "");
  EXPECT_THAT(message_of<ConfigError>([&] { read(R"({"test": {"proposal_limit": -1}})"); }),
              HasSubstr("test.proposal_limit"));
}

}  // namespace
}  // namespace rcnn::data
