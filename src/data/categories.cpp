#include <algorithm>
#include <set>
#include <string>
#include <string_view>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <rcnn/data/categories.h>
#include <rcnn/error.h>

#include "config/suggestion.h"
#include "data/paths.h"
#include "text.h"
#include "text_file.h"

namespace rcnn::data {
namespace {

struct Line {
  int64_t number;
  std::string text;
};

/// Whether `text` is an id, space and a name, which then are in `category`.
bool split(std::string_view text, Category& category) {
  const auto end = text.find_first_of(" \t");
  if (end == std::string_view::npos) return false;
  const auto id = number<int64_t>(text.substr(0, end));
  if (!id) return false;
  category.id = *id;
  category.name = trimmed(text.substr(end));
  return true;
}

ConfigError unknown_class(const std::string& word, const std::vector<Category>& categories) {
  std::vector<std::string_view> names;
  for (const auto& category : categories) names.push_back(category.name);
  auto advice = config::suggestion(word, names);
  if (advice.empty()) {
    constexpr size_t kMost = 10;
    const bool more = names.size() > kMost;
    names.resize(std::min(names.size(), kMost));
    advice = fmt::format("; known: {}{}", fmt::join(names, ", "), more ? ", ..." : "");
  }
  return ConfigError(fmt::format("there is no class '{}'{}", word, advice));
}

}  // namespace

std::vector<Category> read_categories(const std::filesystem::path& file) {
  constexpr size_t kLargest = 16'000'000;
  std::vector<Line> lines;
  int64_t number = 0;
  for_each_line(read_text(file, kLargest), [&](std::string_view text) {
    ++number;
    if (const auto name = trimmed(text); !name.empty()) lines.push_back({number, std::string(name)});
  });
  if (lines.empty()) throw DataError(fmt::format("{}: names no class; write one a line", file.string()));

  Category first;
  const bool with_ids = split(lines.front().text, first);
  std::vector<Category> categories;
  std::set<int64_t> ids;
  for (const auto& line : lines) {
    Category category{.id = std::ssize(categories) + 1, .name = line.text};
    if (with_ids && !split(line.text, category)) {
      throw DataError(fmt::format("{}: line {}: '{}' has no id, the lines before have one; write ID NAME",
                                  file.string(), line.number, line.text));
    }
    if (!ids.insert(category.id).second) {
      throw DataError(fmt::format("{}: line {}: the id {} is taken by a line before", file.string(),
                                  line.number, category.id));
    }
    categories.push_back(std::move(category));
  }
  return categories;
}

std::vector<int64_t> labels_of(const std::vector<std::string>& words,
                               const std::vector<Category>& categories) {
  std::set<int64_t> labels;
  for (const auto& word : words) {
    auto found = std::ranges::find(categories, word, &Category::name);
    if (found == categories.end()) {
      found = std::ranges::find(categories, word,
                                [](const Category& category) { return std::to_string(category.id); });
    }
    if (found == categories.end()) throw unknown_class(word, categories);
    labels.insert(found - categories.begin() + 1);
  }
  return {labels.begin(), labels.end()};
}

}  // namespace rcnn::data
