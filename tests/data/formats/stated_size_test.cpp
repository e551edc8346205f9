#include "data/formats/stated_size.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rcnn::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr ImageInfo kImage{.size = {.height = 30, .width = 40}};

TEST(StatedSize, APixelASideIsAWarning) {
  for (const ImageSize stated :
       {ImageSize{31, 40}, ImageSize{30, 39}, ImageSize{29, 41}, ImageSize{31, 41}}) {
    Problems problems;
    EXPECT_TRUE(has_stated_size(kImage, stated, "a.xml", Policy::stop, problems));
    EXPECT_FALSE(problems.has(Severity::error));
    EXPECT_THAT(problems.text(Severity::warning),
                AllOf(HasSubstr("a pixel larger or smaller"), HasSubstr("a.xml ("),
                      HasSubstr("the image has 40 x 30)")));
  }
  for (const ImageSize stated : {ImageSize{32, 40}, ImageSize{30, 38}, ImageSize{31, 42}}) {
    Problems problems;
    EXPECT_FALSE(has_stated_size(kImage, stated, "a.xml", Policy::stop, problems));
    EXPECT_THAT(problems.text(Severity::error),
                HasSubstr("of another size than the image (bad_images=skip leaves it out)"));
  }
}

TEST(StatedSize, NoneMayBeStated) {
  for (const ImageSize stated : {ImageSize{0, 0}, ImageSize{0, 40}, ImageSize{30, 0}}) {
    Problems problems;
    EXPECT_TRUE(has_stated_size(kImage, stated, "a.xml", Policy::stop, problems));
    EXPECT_TRUE(problems.kinds().empty());
  }
  for (const ImageSize stated : {ImageSize{-1, -1}, ImageSize{30, -40}}) {
    Problems problems;
    EXPECT_TRUE(has_stated_size(kImage, stated, "a.xml", Policy::stop, problems));
    EXPECT_FALSE(problems.has(Severity::error));
    EXPECT_THAT(problems.text(Severity::warning),
                HasSubstr("a size below zero; the image's is taken: a.xml ("));
  }
}

TEST(StatedSize, ExchangedSidesAreBlamedOnExifWhereThereIsSome) {
  for (int orientation = 1; orientation <= 8; ++orientation) {
    SCOPED_TRACE(orientation);
    auto image = kImage;
    image.orientation = orientation;
    Problems problems;
    EXPECT_FALSE(has_stated_size(image, {40, 30}, "a.xml", Policy::stop, problems));
    const auto text = problems.text(Severity::error);
    EXPECT_THAT(text, HasSubstr("(bad_images=skip leaves it out): a.xml (30 x 40, the image has 40 x 30)"));
    if (orientation >= 5) {
      EXPECT_THAT(text, HasSubstr("turned by its EXIF orientation"));
    } else {
      EXPECT_THAT(text, AllOf(HasSubstr("of another size"), Not(HasSubstr("EXIF"))));
    }
  }
}

TEST(StatedSize, ADroppedImageNeedsNoWayOut) {
  Problems problems;
  EXPECT_FALSE(has_stated_size(kImage, {50, 60}, "a.xml", Policy::skip, problems));
  EXPECT_EQ(problems.text(Severity::warning),
            "\n  dropped: the annotations are of another size than the image: a.xml (60 x 50, the image has "
            "40 x 30)");
}

}  // namespace
}  // namespace rcnn::data
