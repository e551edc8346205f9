#include "data/formats/coco/list_windows.h"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

namespace json = simdjson::ondemand;

class ListWindows : public testing::Test {
 protected:
  /// The text of each object's first `values` values, or nothing. The parser passes over the others without
  /// looking into them.
  static std::optional<std::vector<std::string>> read_file(const std::filesystem::path& file, size_t window,
                                                           size_t values) {
    std::vector<std::string> objects;
    const auto add = [&](json::object object) {
      std::string all;
      size_t count = 0;
      for (auto field : object) {
        all += std::string(std::string_view(field.unescaped_key())) + "=";
        if (count++ < values) all += std::string(std::string_view(simdjson::to_json_string(field.value())));
      }
      objects.push_back(all);
    };
    if (!read_in_windows(file, window, add)) return std::nullopt;
    return objects;
  }
  std::filesystem::path write(const std::string& text) const { return folder_.write("list.json", text); }
  std::optional<std::vector<std::string>> read(const std::string& text, size_t window, size_t values) const {
    return read_file(write(text), window, values);
  }
  const TempFolder folder_;
};

std::string random_list(std::mt19937_64& random) {
  static const std::vector<std::string> values = {
      "1",    "-2.5e3",   "\"},{\"",           "\"a\\\"},\\\\\"", "[{\"b\": 1}, {\"b\": 2}]",
      "null", "[1, [2]]", "{\"c\": [{}, {}]}", "\"\\u007d, {\"",  "\"\xc3\xa9\"",
      "true", "{}"};
  static const std::vector<std::string> spaces = {"", " ", "\n", " \r\n\t "};
  const auto one_of = [&](const auto& list) { return list[random() % list.size()]; };
  std::string text = one_of(spaces) + "[";
  const size_t entries = random() % 12;
  for (size_t i = 0; i < entries; ++i) {
    if (i > 0) text += one_of(spaces) + "," + one_of(spaces);
    text += "{";
    const size_t fields = random() % 4;
    for (size_t f = 0; f < fields; ++f) {
      text += (f > 0 ? ", \"k" : "\"k") + std::to_string(f) + "\": " + one_of(values);
    }
    text += "}";
  }
  return text + one_of(spaces) + "]" + one_of(spaces);
}

constexpr size_t kWhole = 1 << 12, kAll = 100;

TEST_F(ListWindows, ObjectsAreThoseOfTheWholeText) {
  constexpr unsigned kSeed = 5;
  std::mt19937_64 random(kSeed);
  int in_windows = 0;
  for (int i = 0; i < 500; ++i) {
    const auto text = random_list(random);
    const auto file = write(text);
    const auto whole = read_file(file, kWhole, kAll);
    ASSERT_TRUE(whole) << text;
    for (const size_t window : {16, 40, 100}) {
      const auto parted = read_file(file, window, kAll);
      if (!parted) continue;  // a comma in a text, or in a list below, looked like one of the list
      ++in_windows;
      ASSERT_EQ(*parted, *whole) << "window " << window << ", text " << text;
    }
  }
  EXPECT_GT(in_windows, 700);
}

TEST_F(ListWindows, WhatIsNoListIsNotTakenForOne) {
  constexpr unsigned kSeed = 6;
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 2000; ++i) {
    auto text = random_list(random);
    static constexpr std::string_view kMarks = "{}[],:\"\\ 1x";
    for (size_t changes = 1 + random() % 2; changes > 0; --changes) {
      const size_t place = random() % text.size();
      if (random() % 2 == 0) {
        text[place] = kMarks[random() % kMarks.size()];
      } else {
        text.erase(place, 1);
      }
    }
    if (text.empty()) continue;
    const size_t values = i % 2 == 0 ? kAll : i % 3;
    const auto file = write(text);
    const auto whole = read_file(file, kWhole, values);
    for (const size_t window : {16, 40, 100}) {
      const auto parted = read_file(file, window, values);
      ASSERT_FALSE(parted && parted != whole) << "window " << window << ", text " << text;
    }
  }
}

TEST_F(ListWindows, AnObjectMayBeLongerThanAWindow) {
  std::string text = "[{\"a\": \"";
  text.append(1000, 'x');
  text += "\"}, {\"a\": 1}]";
  EXPECT_EQ(read(text, 16, kAll).value_or(std::vector<std::string>()).size(), 2);
}

TEST_F(ListWindows, OtherFilesAreLeftToTheWholeReader) {
  for (const char* text : {"", " ", "{}", "[1]", "[{}] x", "[{}", "[{}, ]", "[{}, {}, 1]"}) {
    EXPECT_FALSE(read(text, kWhole, kAll)) << text;
  }
  EXPECT_FALSE(read_in_windows(folder_.path(), 16, [](json::object) {}));
  EXPECT_FALSE(read_in_windows(folder_.path() / "none.json", 16, [](json::object) {}));
  EXPECT_EQ(read("[]", 16, kAll), std::vector<std::string>());
}

}  // namespace
}  // namespace rcnn::data
