#include "data/formats/yolo/yolo_classes.h"

#include <map>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <rcnn/error.h>

#include "data/formats/yolo/yolo_names.h"

namespace rcnn::data {
namespace {

/// The names of the file that counts.
YoloClasses classes_that_count(const YoloSet& set, const DataOptions& options, Problems& problems) {
  YoloClasses classes{.names = set.names, .origin = set.names_origin};
  auto& names = classes.names;
  try {
    if (names.empty()) names = read_class_names(set.names_files);
  } catch (const DataError& error) {
    if (options.classes.empty())
      throw DataError(fmt::format(
          "{}, or name the classes in the order of their numbers: data.classes (--classes)", error.what()));
    problems.warn("the classes are numbered by data.classes, for the files of names cannot be used",
                  error.what());
  }
  if (names.empty()) {
    names = options.classes;
    classes.origin = "data.classes";
  }
  if (names.empty()) {
    std::string why;
    for (const auto& unread : set.unread) why += fmt::format("; {}", unread);
    if (set.other_names.size() > 1)
      why += fmt::format("; {} and {} contradict each other", set.other_names[0].first,
                         set.other_names[1].first);
    throw DataError(
        fmt::format("{}: nothing says what the classes are called: neither names in a data.yaml nor a "
                    "classes.txt or obj.names{}; name them in the order of their numbers: data.classes "
                    "(--classes FILE)",
                    options.root.string(), why));
  }
  const auto count = set.class_count;
  if (count && *count != std::ssize(names))
    problems.warn("nc is not the number of the names, which counts",
                  fmt::format("{} ({}, {} names)", classes.origin, *count, names.size()));
  return classes;
}

void tell_of_other_names(const YoloSet& set, const YoloClasses& classes, Problems& problems) {
  const auto& names = classes.names;
  const auto& origin = classes.origin;
  const auto compare = [&](const std::string& file, const std::vector<std::string>& others) {
    if (const auto i = first_difference(names, others)) {
      problems.warn(
          fmt::format("the classes have other names in a file that does not count, for {} does", origin),
          fmt::format("{} (class {} is \"{}\" there, \"{}\" in {})", file, *i, others[*i], names[*i],
                      origin));
    }
  };
  for (const auto& [file, others] : set.other_names) compare(file, others);
  for (const auto& file : set.other_files) {
    try {
      compare(file.string(), read_class_names(file));
    } catch (const DataError& error) {
      problems.warn("a file of names that cannot be read, and does not count", error.what());
    }
  }
}

/// Whether `own` has all names as the files have them, and perhaps further ones.
bool agrees(const std::vector<std::string>& own, const std::vector<std::string>& names) {
  for (size_t i = 0; i < names.size(); ++i) {
    if (!names[i].empty() && (i >= own.size() || own[i] != names[i])) return false;
  }
  return true;
}

}  // namespace

YoloClasses yolo_classes(const YoloSet& set, const DataOptions& options, Problems& problems) {
  auto classes = classes_that_count(set, options, problems);
  tell_of_other_names(set, classes, problems);
  classes.from_files = classes.names;
  if (agrees(options.classes, classes.names) && options.classes != classes.names) {
    classes.names = options.classes;
    classes.origin = "data.classes";
  }
  return classes;
}

void tell_of_own_names(const YoloClasses& classes, const CocoFile& content, Problems& problems) {
  const auto& known = classes.from_files;
  std::map<size_t, int64_t> counts;
  for (const auto& annotation : content.annotations) {
    const auto number = static_cast<size_t>(annotation.category_id - 1);
    if (number >= known.size() || known[number].empty()) ++counts[number];
  }
  for (const auto& [number, count] : counts) {
    problems.warn("classes that no file names, named by data.classes",
                  fmt::format("{} is {} ({} {})", number, classes.names.at(number), count,
                              count == 1 ? "object" : "objects"));
  }
}

}  // namespace rcnn::data
