#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/config/config.h>
#include <rcnn/data/formats/format.h>
#include <rcnn/error.h>

#include "data/record_list.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr const char* kMark = "mine.txt";

//! [format]
/// Data sets with a file mine.txt: as many images without a file as a part's key `count` says.
Format counted_format() {
  return {.parts = [](const Place& place, const LocateOptions&) -> std::vector<DatasetPart> {
            const auto* top = place.folder("");
            if (top == nullptr || !top->has(kMark)) return {};
            return {{.name = "all", .options = {.root = place.path()}, .split = {.own = int64_t{2}}}};
          },
          .read_split =
              [](const config::Node& part, const DataOptions& options, SplitOptions& split) {
                int64_t count = 1;
                part.read("count", count, {.min = 1, .max = 9});
                split.split = options.root.filename();
                split.own = count;
              },
          .open =
              [](const DataOptions&, const SplitOptions& split, Problems& problems) {
                std::vector<Record> records;
                for (int64_t i = 0; i < std::any_cast<int64_t>(split.own); ++i)
                  records.push_back({.id = std::to_string(i), .image = {}});
                problems.warn("an image without a file", "all of them");
                return std::make_shared<RecordList>(std::move(records),
                                                    std::vector<Category>{{.id = 7, .name = "thing"}});
              }};
}
//! [format]

class AFormatOfOnesOwn : public testing::Test {
 protected:
  static void SetUpTestSuite() { formats().add("counted", counted_format()); }

  static DataOptions parse(const std::string& text) {
    return DataOptions::from(config::Config::parse(text, "test").root());
  }
};

TEST_F(AFormatOfOnesOwn, IsFoundByItsNameInAConfig) {
  const auto options = parse(R"({"type": "counted", "root": "/sets/a", "train": {"count": 3}})");
  EXPECT_EQ(options.train.split, "a");
  Problems problems;
  const auto dataset = open(options, options.train, problems);
  EXPECT_EQ(dataset->size(), 3);
  EXPECT_EQ(dataset->categories().front().id, 7);
  EXPECT_EQ(problems.kinds().size(), 1u);
  EXPECT_EQ(open(options, options.test)->size(), 1);
}

TEST_F(AFormatOfOnesOwn, HasItsOwnKeysAlone) {
  const auto message = [](const std::string& text) { return message_of<ConfigError>([&] { parse(text); }); };
  EXPECT_THAT(message(R"({"type": "counted", "train": {"count": 0}})"), HasSubstr("train.count"));
  EXPECT_THAT(message(R"({"type": "counted", "train": {"split": "a"}})"),
              HasSubstr("train.split: unknown key"));
  EXPECT_THAT(message(R"({"type": "counted", "train": {"sources": ["a"]}})"),
              HasSubstr("train.sources: unknown key"));
  EXPECT_THAT(message(R"({"type": "voc", "train": {"count": 1}})"), HasSubstr("train.count: unknown key"));
  EXPECT_THAT(message(R"({"type": "kounted"})"),
              AllOf(HasSubstr("auto, voc, coco"), HasSubstr("did you mean counted?")));
}

TEST_F(AFormatOfOnesOwn, IsRecognisedWhereAPersonNamesADataSet) {
  const TempFolder folder;
  folder.write("set/mine.txt", "");
  const auto parts = locate(folder.path() / "set");
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].options.type, "counted");
  EXPECT_EQ(open(parts[0].options, parts[0].split)->size(), 2);
  EXPECT_THAT(message_of<ConfigError>([&] { parts[0].require_own_files(); }),
              HasSubstr("is of the format counted, which has no annotation files"));
}

TEST_F(AFormatOfOnesOwn, DoesNotTakeANameThatIsThereNorOnlyHalfOfIt) {
  EXPECT_THROW(formats().add("half", {.read_split = counted_format().read_split, .open = {}}),
               std::invalid_argument);
  EXPECT_THROW(formats().add("voc", counted_format()), std::invalid_argument);
  EXPECT_THROW(formats().add("auto", counted_format()), std::invalid_argument);
  EXPECT_THROW(formats().add("counted", counted_format()), std::invalid_argument);
}

}  // namespace
}  // namespace rcnn::data
