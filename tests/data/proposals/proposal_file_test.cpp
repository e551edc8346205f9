#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/proposals/proposal_file.h>
#include <rcnn/error.h>

#include "io/pickle/pickle_writer.h"
#include "tests/support/message_of.h"
#include "tests/support/run_program.h"
#include "tests/support/temp_folder.h"

namespace rcnn::data {

inline bool operator==(const ImageProposals& a, const ImageProposals& b) {
  return a.id == b.id && a.boxes == b.boxes && a.scores == b.scores;
}
inline void PrintTo(const ImageProposals& image, std::ostream* out) {
  *out << fmt::format("{{image {}:", image.id);
  for (const auto& [x1, y1, x2, y2] : image.boxes) *out << fmt::format(" ({}, {}, {}, {})", x1, y1, x2, y2);
  for (const float score : image.scores) *out << fmt::format(" {}", score);
  *out << "}";
}

namespace {

namespace fs = std::filesystem;

using testing::AllOf;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const fs::path kFolder = fs::path(RCNN_FIXTURES) / "proposals";

/// What the fixtures hold, of tests/oracle/make_proposals.py.
std::vector<ImageProposals> two_images(bool with_ids, bool with_scores) {
  std::vector<ImageProposals> images = {
      {.id = "7", .boxes = {{0, 0, 20, 10}, {3, 4, 33, 44}}, .scores = {0.75F, 0.5F}},
      {.id = "12", .boxes = {{10, 20, 30, 40}}, .scores = {0.25F}}};
  for (auto& image : images) {
    if (!with_ids) image.id.clear();
    if (!with_scores) image.scores.clear();
  }
  return images;
}

std::vector<ImageProposals> read(const fs::path& file, bool has_ids = true) {
  auto list = read_proposals(file);
  EXPECT_EQ(list.has_ids, has_ids);
  return std::move(list.images);
}

std::string message(const fs::path& file) {
  return message_of<DataError>([&] { read_proposals(file); });
}

TEST(ProposalFile, EveryPickleLoadsToTheSameBoxes) {
  for (const char* name :
       {"detectron2", "sizes", "half", "texts", "lists", "detectron", "indexes", "python2"}) {
    SCOPED_TRACE(name);
    EXPECT_EQ(read(kFolder / "proposal_pickle" / fmt::format("{}.pkl", name)), two_images(true, true));
  }
  EXPECT_EQ(read(kFolder / "proposal_pickle/py_faster_rcnn.pkl", false), two_images(false, false));
}

// The row (y1, x1, y2, x2) = (1, 1, 10, 20) is the Caffe era's box (0, 0, 19, 9).
TEST(ProposalFile, EveryMatLoadsToTheSameBoxes) {
  EXPECT_EQ(read(kFolder / "proposal_mat/voc.mat", false), two_images(false, false));
  EXPECT_EQ(read(kFolder / "proposal_mat/compressed.mat", false), two_images(false, false));
  EXPECT_EQ(read(kFolder / "proposal_mat/names.mat"), two_images(true, false));
}

TEST(ProposalFile, JsonLoadsToTheSameBoxes) {
  auto images = read(kFolder / "proposal_json/coco.json");
  std::ranges::reverse(images);  // as they stand in the file
  EXPECT_EQ(images, two_images(true, true));
}

TEST(ProposalFile, JsonIsReadInWindowsOrWhole) {
  const TempFolder folder;
  std::string text = "[";
  for (int image = 0; image < 40; ++image) {
    for (int i = 0; i < 200; ++i) {
      text += fmt::format(
          "{}{{\"score\": {}, \"image_id\": \"{:03}\", \"segmentation\": [[1, 2]], \"bbox\": [{}, 0, 5, 6]}}",
          text.size() == 1 ? "" : ", ", 200 - i, image, i);
    }
  }
  const auto windows = read(folder.write("a.json", text + "]"));
  // A comma between objects of a list within an entry is none to part the text at.
  const auto whole = read(folder.write(
      "b.json", text + R"(, {"image_id": "000", "bbox": [300, 0, 5, 6], "score": 0, "a": [{}, {}]}])"));
  ASSERT_EQ(windows.size(), 40u);
  ASSERT_EQ(whole.size(), 40u);
  EXPECT_EQ(windows.front().id, "000");
  EXPECT_EQ(windows.front().boxes.size(), 200u);
  EXPECT_EQ(windows.back().boxes.back(), (Box{199, 0, 204, 6}));
  EXPECT_EQ(whole.front().boxes.size(), 201u);
  EXPECT_EQ(whole.back(), windows.back());
}

TEST(ProposalFile, SortsAndDropsWhatIsRepeated) {
  const TempFolder folder;
  const auto images = read(folder.write("p.json", R"([
      {"image_id": 1, "bbox": [0, 0, 5, 5], "score": 0.25}, {"image_id": 1, "bbox": [1, 0, 5, 5], "score": 0.5},
      {"image_id": 1, "bbox": [2, 0, 5, 5], "score": 0.5}, {"image_id": 1, "bbox": [0, 0, 5, 5], "score": 0.125},
      {"image_id": 1, "bbox": [-0.0, 0, 5, 5], "score": 0.75}])"));
  ASSERT_EQ(images.size(), 1u);
  EXPECT_THAT(images[0].boxes, ElementsAre(Box{0, 0, 5, 5}, Box{1, 0, 6, 5}, Box{2, 0, 7, 5}));
  EXPECT_THAT(images[0].scores, ElementsAre(0.75F, 0.5F, 0.5F));
}

/// Boxes as a network gives them, in every magnitude, and image ids of all kinds.
ProposalList random_list(bool with_ids, bool with_scores) {
  const auto seed = std::random_device()();
  testing::Test::RecordProperty("seed", static_cast<int>(seed));
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> place(0, 1), length(0, 900), tiny(0, 0.001F);
  ProposalList list{.has_ids = with_ids};
  for (const char* id : {"5", "007", "scene \"a\"", "-3", "9223372036854775807", "empty"}) {
    auto& image = list.images.emplace_back();
    if (with_ids) image.id = id;
    for (int i = 0; i < (std::string_view(id) == "empty" ? 0 : 200); ++i) {
      const float x = std::ldexp(place(random), i % 12), y = std::ldexp(place(random), i % 5);
      const float width = i % 3 == 0 ? tiny(random) : length(random);
      image.boxes.push_back({x, y, x + width, y + length(random)});
      if (with_scores) image.scores.push_back(1 - 0.001F * static_cast<float>(i) - tiny(random));
    }
    std::ranges::sort(image.scores, std::greater());
  }
  return list;
}

TEST(ProposalFile, WhatIsWrittenIsReadAgainToTheBit) {
  const TempFolder folder;
  for (const char* name : {"a.json", "a.pkl", "a.mat"}) {
    for (const bool with_scores : {true, false}) {
      SCOPED_TRACE(fmt::format("{} {}", name, with_scores));
      const auto file = folder.path() / name;
      auto list = random_list(true, with_scores);
      write_proposals(file, list);
      const auto bytes = file_bytes(file);
      write_proposals(file, list);
      EXPECT_EQ(file_bytes(file), bytes);
      const bool is_pickle = file.extension() == ".pkl";
      for (auto& image : list.images) {
        if (file.extension() == ".mat") image.scores.clear();
        for (size_t i = 0; is_pickle && !with_scores && i < image.boxes.size(); ++i)
          image.scores.push_back(-static_cast<float>(i));
      }
      EXPECT_EQ(read(file), list.images);
    }
  }
  for (const char* name : {"b.pkl", "b.mat"}) {
    const auto list = random_list(false, false);
    write_proposals(folder.path() / name, list);
    EXPECT_EQ(read(folder.path() / name, false), list.images);
  }
}

TEST(ProposalFile, JsonHasWholeNumbersAsIds) {
  const TempFolder folder;
  const auto file = folder.path() / "p.json";
  write_proposals(file, {.images = {{.id = "5", .boxes = {{0.1F, 2, 3, 4}}, .scores = {0.5F}},
                                    {.id = "05", .boxes = {{1, 2, 3, 4}}, .scores = {1}},
                                    {.id = "6"}}});
  EXPECT_EQ(file_bytes(file),
            "[{\"image_id\":5,\"category_id\":1,\"bbox\":[0.1,2,2.9,2],\"score\":0.5},\n"
            "{\"image_id\":\"05\",\"category_id\":1,\"bbox\":[1,2,2,2],\"score\":1},\n"
            "{\"image_id\":6,\"category_id\":1,\"bbox\":[0,0,0,0]}]\n");
}

TEST(ProposalFile, OthersReadWhatIsWritten) {
  const TempFolder folder;
  const auto list = random_list(true, true);
  const auto unnamed = random_list(false, false);
  for (const char* ending : {".pkl", ".mat"}) {
    write_proposals(folder.path() / fmt::format("ids{}", ending), list);
    write_proposals(folder.path() / fmt::format("list{}", ending), unnamed);
  }
  const auto found =
      run_program(RCNN_ORACLE_PYTHON, {RCNN_ORACLE "/make_proposals.py", "--read", folder.path()});
  if (found.exit_code == 77) GTEST_SKIP() << RCNN_ORACLE_PYTHON " has no scipy";
  ASSERT_EQ(found.exit_code, 0) << found.err;

  const auto parsed = nlohmann::json::parse(found.out);
  size_t at = 0;
  const auto expect = [&](const ProposalList& written, bool with_scores, bool texts) {
    for (const auto& image : written.images) {
      ASSERT_LT(at, parsed.size());
      const auto& [id, boxes, scores] = parsed[at++].get<std::array<nlohmann::json, 3>>();
      if (written.has_ids) {
        const auto text = id.is_string() ? id.get<std::string>() : id.dump();
        EXPECT_EQ(text, image.id);
        const bool is_whole = image.id == "5" || image.id == "-3" || image.id.size() == 19;
        EXPECT_EQ(id.is_number(), is_whole && !texts);
      }
      ASSERT_EQ(boxes.size(), image.boxes.size());
      for (size_t i = 0; i < boxes.size(); ++i) {
        const auto& [x1, y1, x2, y2] = image.boxes[i];
        EXPECT_EQ(boxes[i].get<std::vector<float>>(), (std::vector{x1, y1, x2, y2}));
      }
      if (with_scores) {
        EXPECT_EQ(scores.get<std::vector<float>>(), image.scores);
      }
    }
  };
  expect(list, true, false);
  expect(unnamed, false, false);
  expect(list, false, true);
  expect(unnamed, false, true);
  EXPECT_EQ(at, parsed.size());
}

TEST(ProposalFile, EndingsAreKnownAndNamed) {
  EXPECT_NO_THROW(check_proposal_ending("a/b.PKL"));
  EXPECT_THAT(message_of<ConfigError>([] { check_proposal_ending("a/b.txt"); }),
              AllOf(HasSubstr("a/b.txt: "), HasSubstr(".json"), HasSubstr(".pkl"), HasSubstr(".mat")));
  const TempFolder folder;
  const auto file = folder.path() / "p.json";
  EXPECT_THAT(message_of<ConfigError>([&] { write_proposals(file, {.images = {{}}, .has_ids = false}); }),
              HasSubstr("without image ids are written as .pkl or .mat"));
  EXPECT_FALSE(fs::exists(file));
  EXPECT_THAT(message_of<DataError>(
                  [&] { write_proposals(folder.path() / "p.mat", {.images = {{.id = "\u00fc"}}}); }),
              AllOf(HasSubstr("p.mat: image id \u00fc: "), HasSubstr("write .json or .pkl")));
  EXPECT_FALSE(fs::exists(folder.path() / "p.mat"));
}

TEST(ProposalFile, IdsThatAMatFileWouldNotGiveBackAreRefused) {
  for (const auto* const id : {"a/x", "x.jpg", "", "\u00fc"}) {
    EXPECT_THAT(message_of<DataError>([&] { check_proposal_id("p.mat", id); }),
                HasSubstr(".mat files are written with ids of ASCII letters alone, without folders"))
        << id;
    check_proposal_id("p.json", id);
  }
  check_proposal_id("p.mat", "000005");
}

TEST(ProposalFile, OtherFilesAreNamed) {
  const TempFolder folder;
  EXPECT_THAT(message(folder.path() / "none.json"), HasSubstr("none.json: cannot be read: No such file"));
  EXPECT_THAT(message(folder.path()), HasSubstr("is a folder"));
  EXPECT_THAT(message(folder.write("a.json", "")), HasSubstr("is empty (0 bytes)"));
  EXPECT_THAT(message(folder.write("b.json", "[]")), HasSubstr("there are proposals of no image"));
  EXPECT_THAT(message(folder.write("c.json", "{\"images\": []}")), HasSubstr("is no list of proposals"));
  EXPECT_THAT(message(folder.write("d.txt", "# 0\nimg.jpg\n")), HasSubstr("R-CNN's window files"));
  EXPECT_THAT(message(folder.write("e.npz", "PK\3\4")), HasSubstr("is a zip archive"));
  EXPECT_THAT(message(fs::path(RCNN_FIXTURES) / "weights/numpy_pickle/all4.pkl"),
              HasSubstr("holds no proposals"));
  EXPECT_THAT(message(folder.write("g.json", R"([{"image_id": 1, "bbox": [0, 0, 5, )")),
              HasSubstr("cut short"));
}

/// With the ending of a file of proposals and without what such a file begins with.
TEST(ProposalFile, OtherFilesAreSaidToBeWhatTheyAre) {
  using std::string_literals::operator""s;
  const TempFolder folder;
  const std::string read =
      "; read are COCO-style JSON, .pkl of detectron2, Detectron and py-faster-rcnn, and .mat";
  const auto zeros = std::string(600, '\0');
  const auto hdf5 = "\x89HDF\r\n\x1a\n"s;
  // A matrix `boxes` of two numbers: order of bytes, type, rows, columns, no imaginary part, length of the
  // name.
  const auto level_4 = "\0\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0\6\0\0\0boxes\0"s + zeros.substr(0, 16);
  const auto big_endian_4 = "\0\0\3\xf2\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0\6boxes\0"s + zeros.substr(0, 16);
  const std::vector<std::pair<std::string, std::string>> all = {
      {"\1\2\3\xff"s, "is no file of proposals: it begins with the bytes 01 02 03 ff" + read},
      {"hello\n", "is no file of proposals: it begins with the text \"hello\\n\"" + read},
      {"(hello there\n", "begins with the text \"(hello there\\n\""},
      {"]hello there, all\n", "begins with the text \"]hello there, al\""},
      {" \n", "is no file of proposals"},
      {"\x1f\x8b\x08\0\0"s, "is compressed with gzip; unpack it first"},
      {"BZh91AY", "is compressed with bzip2"},
      {"\x28\xb5\x2f\xfd"s, "is compressed with zstd"},
      {"\x93NUMPY", "is a single numpy array"},
      {"<!DOCTYPE html>", "is a web page"},
      {"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"},
      {zeros, "begins with zeros alone"},
      {"# Created by Octave 5.2.0\n# name: boxes\n",
       "is Octave's text format, which is not read; save it with"},
      {"\xff\xfe[\0"s, "is UTF-16; save it as UTF-8"},
      {"[\0{\0"s, "is UTF-16; save it as UTF-8"},
      {level_4, "is a .mat file of level 4, which has no cell arrays; save the variables with -v7"},
      {big_endian_4, "is a .mat file of level 4"},
      {hdf5 + zeros,
       "is an HDF5 file, as .mat files of level 7.3 are, which is not read; save the variables"},
      {zeros.substr(0, 512) + hdf5, "is an HDF5 file"},
      {"MATLAB 7.3 MAT-file", "level 7.3"},
      {"\x80\x04", "its pickle is damaged or cut short"},
      {"\x80\x63zz", "pickle"},
  };
  for (const auto& [bytes, said] : all) {
    for (const char* name : {"p.json", "p.pkl", "p.mat"})
      EXPECT_THAT(message(folder.write(name, bytes)),
                  AllOf(HasSubstr(std::string(name) + ": "), HasSubstr(said)));
  }
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) {
    std::string bytes(300, '\0');
    for (auto& byte : bytes) byte = static_cast<char>(random());
    EXPECT_THAT(message(folder.write("r.mat", bytes)),
                AnyOf(HasSubstr(read), HasSubstr("pickle"), HasSubstr("UTF-"), HasSubstr("is no JSON")));
  }
}

TEST(ProposalFile, BadJsonEntriesAreNamedAtOnce) {
  const TempFolder folder;
  const auto said = message(folder.write("p.json", R"([{"image_id": 1, "bbox": [0, 0, 5, 5], "score": 0.25},
      {"bbox": [0, 0, 5, 5], "score": 1}, {"image_id": 1, "score": 1}, {"image_id": 1, "bbox": [0, 0, 5], "score": 1},
      {"image_id": 1, "bbox": [1, 1, 5, 5]}, {"image_id": 2, "bbox": [9, 9, -5, 5], "score": 1}])"));
  EXPECT_THAT(said, AllOf(HasSubstr("p.json: cannot be used:"), HasSubstr("has no image_id: [1]"),
                          HasSubstr("has no bbox: [2]"), HasSubstr("a box has 3 numbers, not four: [3]"),
                          HasSubstr("has no score, and others have one: [4]"),
                          HasSubstr("corners in the wrong order: image 2: 1 of 1 proposals, the first is 1: "
                                    "(9, 9, 4, 14)")));
  EXPECT_THAT(message(folder.write("q.json", R"([{"image_id": 1, "bbox": [NaN, 0, 5, 5]}])")),
              HasSubstr("q.json: "));
}

/// A pickle of detectron2's for one image, with what `add` adds for its boxes and scores.
template <class AddBoxes, class AddScores>
std::string pickle_of(AddBoxes add_boxes, AddScores add_scores) {
  io::pickle::Writer pickle(4);
  pickle.op('}').op('(').text("ids").op(']').op('(').integer(1).op('e');
  pickle.text("boxes").op(']').op('(');
  add_boxes(pickle);
  pickle.op('e').text("scores").op(']').op('(');
  add_scores(pickle);
  pickle.op('e').op('u').op('.');
  return pickle.take();
}

void add_floats(io::pickle::Writer& pickle, const std::vector<int64_t>& shape,
                const std::vector<float>& values) {
  pickle.begin_array(shape, "f4", 4, values.size() * 4);
  pickle.raw({reinterpret_cast<const char*>(values.data()), values.size() * 4}).end_array();
}

TEST(ProposalFile, BadPicklesAreNamed) {
  const TempFolder folder;
  const auto said = [&](const std::vector<int64_t>& shape, const std::vector<float>& boxes,
                        const std::vector<float>& scores) {
    return message(folder.write(
        "p.pkl", pickle_of([&](auto& pickle) { add_floats(pickle, shape, boxes); },
                           [&](auto& pickle) { add_floats(pickle, {std::ssize(scores)}, scores); })));
  };
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(),
                  kInf = std::numeric_limits<float>::infinity();
  EXPECT_THAT(said({2, 4}, {0, 0, 1, 1, kNan, 0, 1, kInf}, {1, 2}),
              HasSubstr("p.pkl: cannot be used: coordinates or scores that are not finite: image 1: 1 of 2 "
                        "proposals, the first is 2: (nan, 0, 1, inf)"));
  EXPECT_THAT(said({1, 4}, {0, 0, 1, 1}, {kNan}), HasSubstr("not finite"));
  EXPECT_THAT(said({1, 4}, {0, 0, 1, 1}, {1, 2}),
              HasSubstr("scores that are not one a box: entry 1 (2 for 1"));
  EXPECT_THAT(said({1, 5}, {0, 0, 1, 1, 2}, {1}),
              HasSubstr("boxes that are no array [P, 4]: entry 1 (it is [1, 5]"));
  EXPECT_THAT(said({2, 4}, {0, 0, 1, 1}, {1}), HasSubstr("do not make a numpy array of shape [2, 4]"));

  const auto dict = [&](auto add) {
    io::pickle::Writer pickle(4);
    pickle.op('}').op('(');
    add(pickle);
    pickle.op('u').op('.');
    return message(folder.write("q.pkl", pickle.take()));
  };
  EXPECT_THAT(dict([](auto& p) { p.text("boxes").op(']'); }), HasSubstr("has \"boxes\" and no \"ids\""));
  EXPECT_THAT(dict([](auto& p) { p.text("boxes").op(']').text("ids").op(']').op('(').integer(1).op('e'); }),
              HasSubstr("it has 1 ids and 0 of boxes"));
  EXPECT_THAT(dict([](auto& p) { p.text("boxes").op(']').text("ids").op(']').text("bbox_mode").integer(4); }),
              HasSubstr("its bbox_mode is neither 0"));
  EXPECT_THAT(dict([](auto& p) {
                p.text("boxes").op(']').text("ids").op(']').text("bbox_mode");
                p.global("detectron2.structures.boxes", "BoxMode").op('(').integer(0).op('t').op('R');
              }),
              HasSubstr("its bbox_mode is neither 0"));
  EXPECT_THAT(dict([](auto& p) { p.text("a/b.jpg").global("mmengine", "InstanceData").op(')').op('R'); }),
              HasSubstr("its pickle holds no proposals"));
  const auto twice = message(folder.write("r.pkl", [] {
    io::pickle::Writer p(4);
    p.op('}').op('(').text("ids").op(']').op('(').integer(3).text("3").op('e');
    p.text("boxes").op(']').op('(').op(']').op(']').op('e').op('u').op('.');
    return p.take();
  }()));
  EXPECT_THAT(twice, HasSubstr("an image is there twice: image 3"));
}

TEST(ProposalFile, SharesOfTheImageAreRefused) {
  const TempFolder folder;
  const auto lists = [&](const Box& last) {
    return ProposalList{.images = {{.id = "1", .boxes = {{0, 0, 1, 1}, {0.25F, 0.5F, 0.75F, 1}}},
                                   {.id = "2"},
                                   {.id = "3", .boxes = {last}}}};
  };
  for (const char* name : {"p.json", "p.pkl", "p.mat"}) {
    const auto file = folder.path() / name;
    write_proposals(file, lists({0.1F, 0.2F, 0.3F, 0.4F}));
    EXPECT_EQ(
        message(file),
        fmt::format("{}: cannot be used: no proposal leaves the first pixels of its image: the coordinates "
                    "are shares of the image, where pixels are wanted; multiply x by its width and y by "
                    "its height: all 3 images",
                    file.string()));
    write_proposals(file, lists({0, 0, 8, 8}));
    EXPECT_EQ(read(file).size(), 3u) << "one that leaves them is enough";
  }
  // With inclusive corners: (0.25, 0.5, 0.75, 1) lies one pixel further.
  write_proposals(folder.path() / "order.pkl",
                  {.images = {{.boxes = {{0.25F, 0.5F, 1.75F, 2}}}}, .has_ids = false});
  EXPECT_THAT(message(folder.path() / "order.pkl"), HasSubstr("shares of the image"));
}

TEST(ProposalFile, TooManyProposalsAreRefused) {
  const TempFolder folder;
  ProposalList list{.images = {{.id = "1"}, {.id = "2", .boxes = {{0, 0, 1, 1}}}}};
  for (int64_t i = 0; i <= kMostProposals; ++i) {
    const auto x = static_cast<float>(i % 1000), y = static_cast<float>(i / 1000);
    list.images[0].boxes.push_back({x, y, x + 5, y + 5});
  }
  const auto file = folder.path() / "p.mat";
  write_proposals(file, list);
  EXPECT_THAT(message(file),
              HasSubstr("more than 100000 proposals of an image; keep the best of them: image 1 "
                        "(100001)"));
  list.images[0].boxes.pop_back();
  write_proposals(file, list);
  EXPECT_EQ(read(file)[0].boxes.size(), 100'000u);
}

TEST(ProposalFile, OtherMatsAreNamed) {
  const TempFolder folder;
  auto bytes = file_bytes(kFolder / "proposal_mat/voc.mat");
  const auto with = [&](size_t at, std::string_view other) {
    auto changed = bytes;
    changed.replace(at, other.size(), other);
    return message(folder.write("p.mat", changed));
  };
  EXPECT_THAT(with(0, "MATLAB 7.3"), AllOf(HasSubstr("level 7.3"), HasSubstr("-v7"), HasSubstr("savemat")));
  EXPECT_THAT(with(126, "MI"), HasSubstr("big-endian"));
  EXPECT_THAT(with(124, "\2\2"), HasSubstr("is no .mat file of level 5"));
  EXPECT_THAT(message(folder.write("h.mat", "\x89HDF\r\n\x1a\n")), HasSubstr("level 7.3"));
  const size_t name = bytes.find("boxes");
  EXPECT_THAT(with(name, "other"), HasSubstr("has no variable `boxes`"));
  EXPECT_THAT(message(folder.write("short.mat", bytes.substr(0, bytes.size() - 9))),
              AllOf(HasSubstr("short.mat: is a damaged .mat file"), HasSubstr("cut short")));
}

/// Every file that is cut short or has a byte changed gives proposals or one clear error.
TEST(ProposalFile, DamagedFilesDoNotCrash) {
  const TempFolder folder;
  int refused = 0, read_anyway = 0;
  const auto try_it = [&](const std::string& name, const std::string& bytes) {
    try {
      read_proposals(folder.write(name, bytes));
      ++read_anyway;
    } catch (const DataError& error) {
      ++refused;
      EXPECT_THAT(error.what(), HasSubstr(name));
    }
  };
  for (const char* name :
       {"proposal_mat/voc.mat", "proposal_mat/compressed.mat", "proposal_mat/names.mat",
        "proposal_pickle/python2.pkl", "proposal_pickle/detectron2.pkl", "proposal_json/coco.json"}) {
    const auto bytes = file_bytes(kFolder / name);
    const auto short_name = fs::path(name).filename().string();
    for (size_t size = 1; size < bytes.size(); ++size) try_it(short_name, bytes.substr(0, size));
    for (size_t at = 0; at < bytes.size(); ++at) {
      for (const int change : {1, 4, 0x40, 0x80, 0xff}) {
        auto changed = bytes;
        changed[at] = static_cast<char>(changed[at] ^ change);
        try_it(short_name, changed);
      }
    }
  }
  EXPECT_GT(refused, 1000);
  EXPECT_GT(read_anyway, 500) << "a coordinate may be another";
}

}  // namespace
}  // namespace rcnn::data
