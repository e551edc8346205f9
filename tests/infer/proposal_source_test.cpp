#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/data/images/image.h>
#include <rcnn/data/loading/transforms.h>
#include <rcnn/data/proposals/proposal_file.h>
#include <rcnn/error.h>
#include <rcnn/infer/proposal_source.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const Box kLeft = {0, 0, 10, 20}, kRight = {10, 0, 30, 20};

class ProposalSources : public testing::Test {
 protected:
  std::filesystem::path write(std::vector<data::ImageProposals> images) const {
    const auto file = folder_.path() / "p.json";
    data::write_proposals(file, {.images = std::move(images)});
    return file;
  }
  data::FoundImage image(const std::string& relative) const {
    return {.path = folder_.path() / relative, .relative = relative};
  }
  const TempFolder folder_;
};

TEST_F(ProposalSources, StoredOnesAreJoinedByNames) {
  const std::vector<data::FoundImage> images = {image("a/x.jpg"), image("b/x.jpg"), image("y.png"),
                                                image("000000000139.jpg")};
  const auto source = stored_proposals(write({{.id = "b/x", .boxes = {kRight, kLeft}},
                                              {.id = "a/x.jpg", .boxes = {kLeft}},
                                              {.id = "139", .boxes = {kRight}},
                                              {.id = "y", .boxes = {kLeft}},
                                              {.id = "unused", .boxes = {kLeft}}}),
                                       images, /*limit=*/1);
  EXPECT_THAT(source->of(0, {20, 30}), ElementsAre(kLeft));
  EXPECT_THAT(source->of(1, {20, 30}), ElementsAre(kRight)) << "the best one";
  EXPECT_THAT(source->of(2, {20, 30}), ElementsAre(kLeft));
  EXPECT_THAT(source->of(3, {20, 30}), ElementsAre(kRight));
}

TEST_F(ProposalSources, StoredOnesThatDoNotFitAreErrors) {
  const auto file = write({{.id = "x", .boxes = {kRight}}});
  const auto message = [&](std::vector<data::FoundImage> images) {
    return message_of<DataError>([&] { stored_proposals(file, images)->of(0, {20, 28}); });
  };
  EXPECT_THAT(message({image("x.jpg"), image("y.jpg")}),
              AllOf(HasSubstr("1 of 2 images"), HasSubstr("y.jpg")));
  EXPECT_THAT(message({image("a/x.jpg"), image("b/x.jpg")}),
              AllOf(HasSubstr("a/x.jpg"), HasSubstr("b/x.jpg")));
  EXPECT_THAT(message({image("x.jpg")}), AllOf(HasSubstr("28 x 20"), HasSubstr("(10, 0, 30, 20)")));
}

TEST_F(ProposalSources, EmptyListsAreSaidOnce) {
  const auto file = write({{.id = "x", .boxes = {kLeft}}, {.id = "y"}, {.id = "z"}, {.id = "unused"}});
  testing::internal::CaptureStderr();
  const auto source = stored_proposals(file, std::vector{image("x.jpg"), image("y.jpg"), image("z.jpg")});
  EXPECT_THAT(source->of(1, {20, 30}), testing::IsEmpty());
  EXPECT_THAT(source->of(2, {20, 30}), testing::IsEmpty());
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "warning: " + file.string() +
                ": its lists of 2 of 3 images are empty, so that nothing is found there: " +
                image("y.jpg").path.string() + ", " + image("z.jpg").path.string() + "\n");
  testing::internal::CaptureStderr();
  stored_proposals(file, std::vector{image("x.jpg")});
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST_F(ProposalSources, SearchedOnesPassOverWhatNobodyAsksFor) {
  std::vector<data::FoundImage> images;
  for (const char* name : {"a.png", "b.png", "c.png"}) {
    images.push_back(image(name));
    data::write_image(images.back().path, at::full({30, 40, 3}, 77, at::kByte));
  }
  folder_.write("b.png", "damaged");
  const auto source = searched_proposals(images, {.jobs = 2});
  EXPECT_THAT(source->of(0, {30, 40}), ElementsAre(Box{0, 0, 40, 30}));
  EXPECT_THAT(source->of(2, {30, 40}), ElementsAre(Box{0, 0, 40, 30}));

  const auto again = searched_proposals(images, {.jobs = 1});
  EXPECT_THAT(message_of<DataError>([&] { again->of(1, {30, 40}); }), HasSubstr("b.png"));
}

TEST_F(ProposalSources, BoxesBecomeATensor) {
  EXPECT_TRUE(at::equal(data::to_tensor(std::vector{kLeft, kRight}),
                        at::tensor({0.F, 0.F, 10.F, 20.F, 10.F, 0.F, 30.F, 20.F}).view({2, 4})));
  EXPECT_EQ(data::to_tensor({}).sizes(), (std::vector<int64_t>{0, 4}));
}

}  // namespace
}  // namespace rcnn
