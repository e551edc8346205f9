#include <csignal>
#include <filesystem>
#include <fstream>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rcnn/data/proposals/make_proposals.h>
#include <rcnn/data/proposals/search_workers.h>
#include <rcnn/error.h>

#include "io/files/process_name.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// Small images in memory, of blocks of colour.
class Blocks : public Dataset {
 public:
  explicit Blocks(int64_t count, int64_t first = 0) {
    for (int64_t i = 0; i < count; ++i) {
      records_.push_back({.id = std::to_string(first + i),
                          .image = "block_" + std::to_string(first + i) + ".png",
                          .size = {60, 72 + i}});
    }
  }
  int64_t size() const override { return std::ssize(records_); }
  const Record& record(int64_t index) const override { return records_.at(static_cast<size_t>(index)); }
  const std::vector<Category>& categories() const override { return categories_; }
  at::Tensor image(int64_t index) const override {
    if (index == bad) throw DataError("block_" + std::to_string(index) + ".png: is damaged");
    if (index == deadly) std::raise(SIGKILL);
    const auto [height, width] = record(index).size;
    return at::randint(0, 256, {height / 12, width / 12 + 1, 3},
                       at::detail::createCPUGenerator(static_cast<uint64_t>(index)), at::kByte)
        .repeat_interleave(12, 0)
        .repeat_interleave(12, 1)
        .slice(1, 0, width)
        .contiguous();
  }
  int64_t bad = -1, deadly = -1;

 private:
  std::vector<Record> records_;
  std::vector<Category> categories_;
};

const SelectiveSearchOptions kSearch{.mode = SelectiveSearchOptions::Mode::single, .min_side = 10};

ProposalMethod method(int64_t jobs, uint64_t seed = 0) {
  return selective_search_method({.search = kSearch, .seed = seed, .jobs = jobs});
}

std::vector<std::vector<Box>> boxes_of(const ProposalList& list) {
  std::vector<std::vector<Box>> boxes;
  for (const auto& image : list.images) boxes.push_back(image.boxes);
  return boxes;
}

std::vector<std::vector<Box>> all_boxes(const Dataset& dataset, const ProposalMethod& method,
                                        MakeProposalsOptions options = {}) {
  Problems problems;
  const auto list = make_proposals(dataset, method, options, problems);
  EXPECT_TRUE(list.has_value());
  EXPECT_THAT(problems.kinds(), IsEmpty());
  return list ? boxes_of(*list) : std::vector<std::vector<Box>>();
}

TEST(MakeProposals, AreTheSameInAnyNumberOfProcesses) {
  const Blocks blocks(5);
  const auto one = all_boxes(blocks, method(1));
  ASSERT_EQ(one.size(), 5u);
  for (const auto& boxes : one) EXPECT_GT(boxes.size(), 3u);
  EXPECT_EQ(all_boxes(blocks, method(2)), one);
  EXPECT_EQ(all_boxes(blocks, method(3)), one);
  EXPECT_NE(all_boxes(blocks, method(3, /*seed=*/1)), one);
}

TEST(MakeProposals, OfAnImageDoNotDependOnTheOthers) {
  const Blocks blocks(3);
  // The same id and pixels; in the other data set it comes second.
  struct Second : Blocks {
    Second() : Blocks(3) {}
    const Record& record(int64_t) const override { return Blocks::record(1); }
    int64_t size() const override { return 1; }
    at::Tensor image(int64_t) const override { return Blocks::image(1); }
  };
  EXPECT_EQ(all_boxes(Second(), method(1)).front(), all_boxes(blocks, method(2))[1]);
}

TEST(MakeProposals, HaveTheIdsOfTheirImagesInOrder) {
  Problems problems;
  const auto list = make_proposals(Blocks(3, 40), method(2), {}, problems);
  ASSERT_TRUE(list);
  EXPECT_TRUE(list->has_ids);
  std::vector<std::string> ids;
  for (const auto& image : list->images) {
    ids.push_back(image.id);
    EXPECT_THAT(image.scores, IsEmpty());
  }
  EXPECT_THAT(ids, ElementsAre("40", "41", "42"));
}

TEST(MakeProposals, GoOnWhereTheyWereStopped) {
  const TempFolder folder;
  const auto partial = folder.path() / "p.json.partial";
  const Blocks blocks(6);
  const auto whole = all_boxes(blocks, method(2));
  int64_t before = 0;
  Problems problems;
  MakeProposalsOptions options{.partial = partial,
                               .stop = [&] { return before >= 2; },
                               .on_progress =
                                   [&](int64_t done, int64_t total, int64_t earlier) {
                                     before = done;
                                     EXPECT_EQ(total, 6);
                                     EXPECT_EQ(earlier, 0);
                                   }};
  EXPECT_FALSE(make_proposals(blocks, method(2), options, problems));
  EXPECT_EQ(before, 2);

  // What a killed process was just writing.
  const auto kept = fs::file_size(partial);
  std::ofstream(partial, std::ios::binary | std::ios::app) << file_bytes(partial).substr(0, 40);
  std::vector<int64_t> earlier_ones;
  options = {.partial = partial, .resume = true, .on_progress = [&](int64_t, int64_t, int64_t earlier) {
               earlier_ones.push_back(earlier);
             }};
  EXPECT_EQ(all_boxes(blocks, method(3), options), whole);
  EXPECT_THAT(earlier_ones, ElementsAre(2, 2, 2, 2));
  EXPECT_GT(fs::file_size(partial), kept);
  EXPECT_EQ(all_boxes(blocks, method(1), {.partial = partial, .resume = true}), whole);
}

TEST(MakeProposals, RefuseAPartialFileOfSomethingElse) {
  const TempFolder folder;
  const auto partial = folder.path() / "p.json.partial";
  const Blocks blocks(2);
  all_boxes(blocks, method(1), {.partial = partial});
  Problems problems;
  const auto refused = [&](const Dataset& dataset, const ProposalMethod& how, bool resume) {
    return message_of<ConfigError>(
        [&] { make_proposals(dataset, how, {.partial = partial, .resume = resume}, problems); });
  };
  EXPECT_THAT(refused(blocks, method(1), false), AllOf(HasSubstr("p.json.partial"), HasSubstr("--resume")));
  EXPECT_THAT(refused(blocks, method(1, 5), true), HasSubstr("another seed: 0, not 5"));
  EXPECT_THAT(refused(Blocks(3), method(1), true), HasSubstr("another data set: 2 images"));
  EXPECT_THAT(refused(Blocks(2, 1), method(1), true), HasSubstr("another data set"));
  folder.write("other.partial", "something");
  EXPECT_THAT(message_of<DataError>([&] {
                make_proposals(blocks, method(1),
                               {.partial = folder.path() / "other.partial", .resume = true}, problems);
              }),
              HasSubstr("other.partial"));
}

TEST(MakeProposals, WhatWasNeverBegunNeedsNoResume) {
  const TempFolder folder;
  const auto partial = folder.path() / "p.json.partial";
  Blocks blocks(2);
  blocks.bad = 0;
  Problems problems;
  const auto said =
      message_of<DataError>([&] { make_proposals(blocks, method(1), {.partial = partial}, problems); });
  EXPECT_THAT(said, AllOf(HasSubstr("block_0.png"), Not(HasSubstr("--resume"))));
  blocks.bad = -1;
  all_boxes(blocks, method(1), {.partial = partial});
}

TEST(MakeProposals, BelongToOneProcessAtATime) {
  const TempFolder folder;
  const auto partial = folder.path() / "p.json.partial";
  const Blocks blocks(2);
  std::string said;
  const auto again = [&](int64_t done, int64_t, int64_t) {
    if (done > 1) return;
    for (const bool resume : {false, true}) {
      Problems problems;
      said += message_of<ConfigError>(
          [&] { make_proposals(blocks, method(1), {.partial = partial, .resume = resume}, problems); });
    }
  };
  all_boxes(blocks, method(1), {.partial = partial, .on_progress = again});
  const auto once = partial.string() + ": another process writes to it (" + io::process_name() +
                    "): wait for it, stop it, or name another output";
  EXPECT_EQ(said, once + once);
}

/// Whatever ends it, the error says what is kept and how to go on, and is of the same kind.
TEST(MakeProposals, AnErrorSaysWhatIsKept) {
  const TempFolder folder;
  const auto partial = folder.path() / "p.json.partial";
  const auto kept =
      "; 2 of 4 images are done and kept in " + partial.string() + ": --resume goes on with them";
  Blocks blocks(4);
  const auto whole = all_boxes(blocks, method(1));
  Problems problems;
  const auto make = [&](bool resume) {
    make_proposals(blocks, method(1), {.partial = partial, .resume = resume}, problems);
  };
  blocks.deadly = 2;
  EXPECT_THAT(
      message_of<Error>([&] { make(false); }),
      AllOf(HasSubstr("block_2.png: the process that searched it for proposals was ended by signal 9"),
            EndsWith(kept)));
  blocks.deadly = -1;
  blocks.bad = 2;
  EXPECT_THAT(message_of<DataError>([&] { make(true); }), AllOf(HasSubstr("is damaged"), EndsWith(kept)));
  blocks.bad = -1;
  const std::vector<std::pair<std::string, std::string>> description = method(1).description;
  const ProposalMethod greedy{.description = description,
                              .make = [](const auto&...) { throw std::bad_alloc(); }};
  EXPECT_EQ(message_of<MemoryError>(
                [&] { make_proposals(blocks, greedy, {.partial = partial, .resume = true}, problems); }),
            "memory ran out" + kept);
  EXPECT_EQ(all_boxes(blocks, method(1), {.partial = partial, .resume = true}), whole);
}

/// A bound of files stands for a full disk: of the file in the making, and of the list at the end.
TEST(MakeProposals, AFullDiskLosesNothing) {
  const TempFolder folder;
  const auto file = folder.path() / "p.json";
  const Blocks blocks(4);
  const auto within = [&](rlim_t most, bool resume) {
    rlimit before{};
    getrlimit(RLIMIT_FSIZE, &before);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{most, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    Problems problems;
    const auto said = message_of<DataError>(
        [&] { make_proposal_file(blocks, method(1), file, {.resume = resume}, problems); });
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
    return said;
  };
  Problems problems;
  ASSERT_TRUE(make_proposal_file(blocks, method(1), folder.path() / "whole.json", {}, problems));
  // Room for the first record, what it is of, the process, and one image.
  int64_t made = 0;
  ASSERT_FALSE(make_proposals(blocks, method(1),
                              {.partial = folder.path() / "one",
                               .stop = [&] { return made == 1; },
                               .on_progress = [&](int64_t done, int64_t, int64_t) { made = done; }},
                              problems));
  const auto of_one = fs::file_size(folder.path() / "one");
  EXPECT_THAT(
      within(of_one + 20, false),
      AllOf(HasSubstr("p.json.partial: cannot be written: File too large"),
            HasSubstr("; 1 of 4 images are done and kept in"), EndsWith("--resume goes on with them")));
  EXPECT_THAT(within(64, true), HasSubstr("; 1 of 4 images are done")) << "there is no room for a word";
  all_boxes(blocks, method(1), {.partial = folder.path() / "all"});
  const auto of_all = fs::file_size(folder.path() / "all");
  ASSERT_GT(fs::file_size(folder.path() / "whole.json"), of_all + 100);
  EXPECT_THAT(within(of_all + 100, true),
              AllOf(HasSubstr("cannot write " + file.string() + ": File too large"),
                    HasSubstr("; 4 of 4 images are done and kept in")));
  MakeProposalsOptions options{.resume = true};
  ASSERT_TRUE(make_proposal_file(blocks, method(1), file, options, problems));
  EXPECT_EQ(file_bytes(file), file_bytes(folder.path() / "whole.json"));
  EXPECT_FALSE(fs::exists(partial_of(file)));
}

TEST(MakeProposals, AnImageThatCannotBeDecodedIsAnErrorOrHasNone) {
  Blocks blocks(3);
  blocks.bad = 1;
  Problems problems;
  EXPECT_THAT(message_of<DataError>([&] { make_proposals(blocks, method(2), {}, problems); }),
              HasSubstr("block_1.png"));
  const auto list = make_proposals(blocks, method(2), {.bad_images = Policy::skip}, problems);
  ASSERT_TRUE(list);
  EXPECT_THAT(list->images.at(1).boxes, IsEmpty());
  EXPECT_EQ(list->images.at(1).id, "1");
  EXPECT_FALSE(list->images.at(2).boxes.empty());
  EXPECT_THAT(problems.text(Severity::warning), HasSubstr("block_1.png"));
}

TEST(SearchWorkers, ADeadProcessIsAnErrorThatNamesItsImage) {
  Blocks blocks(4);
  blocks.deadly = 2;
  Problems problems;
  EXPECT_THAT(message_of<Error>([&] { make_proposals(blocks, method(2), {}, problems); }),
              AllOf(HasSubstr("block_2.png"), HasSubstr("signal 9")));
  // Nobody is left behind.
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
}

TEST(SearchWorkers, EndWithTheirMaker) {
  const Blocks blocks(3);
  {
    SearchWorkers workers(SearchImages::of(blocks), {.search = kSearch, .jobs = 2});
    workers.add({0, 1, 2});
    EXPECT_TRUE(workers.next());
  }
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "no child is left";
}

TEST(SearchWorkers, StopWhenAsked) {
  const Blocks blocks(3);
  SearchWorkers workers(SearchImages::of(blocks), {.search = kSearch, .jobs = 1});
  workers.add({0, 1, 2});
  EXPECT_FALSE(workers.next([] { return true; }));
  std::vector<int64_t> indices;
  while (const auto image = workers.next()) indices.push_back(image->index);
  EXPECT_THAT(indices, ElementsAre(0, 1, 2));
}

}  // namespace
}  // namespace rcnn::data
