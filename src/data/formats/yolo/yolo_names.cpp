#include "data/formats/yolo/yolo_names.h"

#include <algorithm>
#include <charconv>

#include <spdlog/fmt/fmt.h>

#include <rcnn/error.h>

#include "data/formats/yolo/yolo_text.h"
#include "data/images/image_ending.h"
#include "text.h"
#include "text_file.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPredefined = "predefined_classes.txt";

/// The names behind the numbers if every line begins with its own, counted from `first`; empty otherwise.
std::vector<std::string> behind_numbers(const std::vector<std::string>& lines, size_t first) {
  std::vector<std::string> names;
  for (const std::string_view line : lines) {
    if (line.empty()) continue;
    size_t value = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
    auto rest = line.substr(static_cast<size_t>(end - line.data()));
    if (error != std::errc() || value != first + names.size() || rest.empty()) return {};
    if (rest.front() == ':') {
      rest.remove_prefix(1);
    } else if (rest.front() != ' ' && rest.front() != '\t') {
      return {};
    }
    if (trimmed(rest).empty()) return {};
    names.emplace_back(trimmed(rest));
  }
  return names;
}

}  // namespace

bool is_names_file(std::string_view name) {
  const auto known = lower(std::string(name));
  return known == "classes.txt" || known == kPredefined || known == "_darknet.labels" ||
         ending_of(known) == ".names";
}

bool is_predefined_names_file(std::string_view name) {
  return lower(std::string(name)) == kPredefined;
}

std::optional<size_t> first_difference(const std::vector<std::string>& names,
                                       const std::vector<std::string>& others) {
  for (size_t i = 0; i < std::min(names.size(), others.size()); ++i) {
    if (trimmed(names[i]) != trimmed(others[i])) return i;
  }
  return std::nullopt;
}

std::vector<std::string> read_class_names(const fs::path& file) {
  constexpr size_t kLargest = 16'000'000;
  std::vector<std::string> names;
  for_each_line(read_lines(file, kLargest),
                [&](std::string_view line) { names.emplace_back(trimmed(line)); });
  while (!names.empty() && names.back().empty()) names.pop_back();
  for (const size_t first : {0, 1}) {
    if (auto numbered = behind_numbers(names, first); !numbered.empty()) return numbered;
  }
  return names;
}

std::vector<std::string> read_class_names(const std::vector<fs::path>& files) {
  std::vector<std::string> longest;
  const fs::path* origin = nullptr;
  const auto is_predefined = [](const fs::path& file) {
    return is_predefined_names_file(file.filename().string());
  };
  const bool has_others = !std::ranges::all_of(files, is_predefined);
  for (const auto& file : files) {
    if (has_others && is_predefined(file)) continue;
    auto names = read_class_names(file);
    if (const auto i = first_difference(names, longest)) {
      throw DataError(
          fmt::format("{} and {} contradict each other: class {} is \"{}\" and \"{}\"; keep one of them",
                      origin->string(), file.string(), *i, longest[*i], names[*i]));
    }
    if (origin != nullptr && names.size() <= longest.size()) continue;
    longest = std::move(names);
    origin = &file;
  }
  return longest;
}

}  // namespace rcnn::data
