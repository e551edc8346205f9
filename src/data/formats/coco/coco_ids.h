#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "data/formats/coco/json_fields.h"

namespace rcnn::data {

/// The ids of one list of an instances file. Texts for ids are the numbers that they are if all of the list
/// are; otherwise numbers that nothing else has stand for them, as for ids that are not there.
class CocoIds {
 public:
  struct Text {
    size_t index;
    std::string text, where;
  };

  /// The id of the list's next element, whose place the texts know it by. Returns 0 where its number is not
  /// known before settle(). Throws Wrong for a number that is there already.
  int64_t add(const JsonId& id, size_t index, const JsonEntry& entry) {
    if (id.kind == JsonId::Kind::number) {
      if (!numbers_.insert(id.number).second)
        throw Wrong("an id is there a second time", fmt::format(" (id {})", id.number));
      return id.number;
    }
    auto& list = id.kind == JsonId::Kind::text ? texts_ : absent_;
    list.push_back({index, id.text, entry.where()});
    return 0;
  }

  /// Gives numbers to the ids that have none: give(index, number, text), the text where a number that it is
  /// not stands for it.
  template <class Give>
  void settle(Problems& problems, Give give) {
    settle_texts(problems, give);
    for (const auto& id : absent_) {
      const int64_t number = next_number();
      problems.warn("an entry without an id gets a number", fmt::format("{} ({})", id.where, number));
      give(id.index, number, "");
    }
  }

  /// The number of an entry that another one refers to. Nothing for a text that is neither an id nor a
  /// number.
  std::optional<int64_t> find(std::string_view text) const {
    if (const auto found = names_.find(std::string(text)); found != names_.end()) return found->second;
    return whole_number(trimmed(text));
  }
  int64_t find(int64_t number) const {
    if (names_.empty() || numbers_.contains(number)) return number;
    const auto found = names_.find(std::to_string(number));
    return found == names_.end() ? number : found->second;
  }

  /// The texts that numbers stand for.
  const std::unordered_map<std::string, int64_t>& names() const { return names_; }

 private:
  int64_t next_number() {
    while (!numbers_.insert(next_).second) ++next_;
    return next_;
  }

  template <class Give>
  void settle_texts(Problems& problems, Give give) {
    const bool all_numbers = std::ranges::all_of(
        texts_, [](const Text& id) { return whole_number(trimmed(id.text)).has_value(); });
    for (const auto& [index, text, where] : texts_) {
      const bool is_new =
          all_numbers ? numbers_.insert(*whole_number(trimmed(text))).second : !names_.contains(text);
      if (!is_new) problems.error("an id is there a second time", fmt::format("{} (id \"{}\")", where, text));
      if (all_numbers) {
        problems.warn(kQuotedNumber, fmt::format("{}.id (\"{}\")", where, text));
        give(index, *whole_number(trimmed(text)), "");
      } else {
        const int64_t number = next_number();
        problems.warn("an id is a text, and gets a number",
                      fmt::format("{} (\"{}\": {})", where, text, number));
        names_.emplace(text, number);
        give(index, number, text);
      }
    }
  }

  std::unordered_set<int64_t> numbers_;
  std::unordered_map<std::string, int64_t> names_;
  std::vector<Text> texts_, absent_;
  int64_t next_ = 1;
};

}  // namespace rcnn::data
