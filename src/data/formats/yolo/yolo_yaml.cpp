#include "data/formats/yolo/yolo_yaml.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <map>
#include <set>
#include <string_view>

#include <spdlog/fmt/fmt.h>
#include <yaml-cpp/yaml.h>

#include <rcnn/error.h>
#include <rcnn/printable.h>

#include "data/formats/yolo/yolo_text.h"
#include "text.h"
#include "text_file.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLargestYaml = 4'000'000;
constexpr int64_t kMostClasses = 1'000'000;

/// Reads the keys of one file. Nodes are looked at one level deep, so that aliases cannot make it more than
/// the file is.
class YamlReader {
 public:
  explicit YamlReader(const fs::path& file) : file_(file) {}

  YoloYaml read(const YAML::Node& root) {
    YoloYaml yaml{.file = file_};
    std::map<std::string, std::vector<std::string>> parts;
    std::set<std::string> seen;
    for (const auto& entry : root) {
      if (!entry.first.IsScalar()) continue;
      const auto& key = entry.first.Scalar();
      const auto& value = entry.second;
      static const std::set<std::string_view> kKnown = {"names", "nc",   "path",      "train",     "val",
                                                        "valid", "test", "kpt_shape", "yolo_lines"};
      if (!kKnown.contains(key)) continue;
      if (!seen.insert(key).second) throw error(entry.first, key + " is there twice");
      if (value.IsNull()) continue;  // "test:" with nothing behind it
      if (key == "names") {
        yaml.names = names(value);
      } else if (key == "nc") {
        yaml.class_count = whole_number(value, key);
      } else if (key == "path") {
        yaml.path = text(value, key);
      } else if (key == "kpt_shape") {
        yaml.keypoint_shape = keypoint_shape(value);
      } else if (key == "yolo_lines") {
        yaml.lines = lines(value, key);
      } else {
        parts[key] = places(value, key);
      }
    }
    if (parts.contains("valid") && !parts.contains("val")) parts["val"] = parts["valid"];
    for (const char* name : {"train", "val", "test"}) {
      const auto part = parts.find(name);
      if (part != parts.end() && !part->second.empty()) yaml.parts.emplace_back(name, part->second);
    }
    return yaml;
  }

  DataError error(const YAML::Mark& mark, const std::string& what) const {
    return DataError(fmt::format("{}: line {}: {}", file_.string(), mark.line + 1, printable(what)));
  }

 private:
  DataError error(const YAML::Node& node, const std::string& what) const { return error(node.Mark(), what); }

  const std::string& text(const YAML::Node& node, const std::string& key) const {
    if (!node.IsScalar()) throw error(node, key + " must be a text");
    return node.Scalar();
  }

  std::string lines(const YAML::Node& node, const std::string& key) const {
    const auto& word = text(node, key);
    for (const char* known : {"box", "outline", "oriented", "pose"}) {
      if (word == known) return word;
    }
    throw error(node, fmt::format("{} must be box, outline, oriented or pose, not {}", key, word));
  }

  int64_t whole_number(const YAML::Node& node, const std::string& key) const {
    const auto value = node.IsScalar() ? number<double>(node.Scalar()) : std::nullopt;
    if (!value || *value < 0 || *value > static_cast<double>(kMostClasses) ||
        *value != static_cast<double>(static_cast<int64_t>(*value))) {
      throw error(node, fmt::format("{} must be a whole number from 0{}", key,
                                    node.IsScalar() ? ", not " + node.Scalar() : std::string()));
    }
    return static_cast<int64_t>(*value);
  }

  std::array<int64_t, 2> keypoint_shape(const YAML::Node& node) const {
    if (!node.IsSequence() || node.size() != 2)
      throw error(node, "kpt_shape must be [points, 2 or 3]: how many points, and numbers of each");
    const std::array shape{whole_number(node[0], "kpt_shape"), whole_number(node[1], "kpt_shape")};
    if (shape[0] < 1 || shape[1] < 2 || shape[1] > 3) {
      throw error(node, fmt::format("kpt_shape must be [points, 2 or 3], not [{}, {}]", shape[0], shape[1]));
    }
    return shape;
  }

  std::vector<std::string> places(const YAML::Node& node, const std::string& key) const {
    std::vector<std::string> result;
    const auto add = [&](const YAML::Node& place) {
      if (!place.IsScalar())
        throw error(place, key + " must be a folder, a list .txt, or a sequence of these");
      if (!trimmed(place.Scalar()).empty()) result.emplace_back(trimmed(place.Scalar()));
    };
    if (!node.IsSequence()) {
      add(node);
      return result;
    }
    for (const auto& place : node) add(place);
    return result;
  }

  /// [cat, dog], {0: cat, 1: dog}, [{0: cat}, {1: dog}], [{name: cat}, {name: dog}], and each as a text.
  std::vector<std::string> names(const YAML::Node& node) const {
    std::vector<std::string> result;
    if (node.IsMap()) {
      add_numbered_names(node, result);
    } else if (node.IsSequence()) {
      for (const auto& entry : node) {
        if (entry.IsMap() && entry.size() == 1 && entry.begin()->first.IsScalar() &&
            number<int64_t>(entry.begin()->first.Scalar())) {
          add_numbered_names(entry, result);
        } else {
          const YAML::Node name = entry.IsMap() ? entry["name"] : entry;
          if (!name.IsDefined()) throw error(entry, "a class without \"name\"");
          result.push_back(class_name(name));
        }
      }
    } else {
      const auto inner = YAML::Load(node.Scalar());
      if (!inner.IsScalar() && !inner.IsNull()) return names(inner);
      throw error(node, fmt::format("names must be a list of the classes' names, or NUMBER: NAME, not {}",
                                    node.Scalar()));
    }
    return result;
  }

  void add_numbered_names(const YAML::Node& node, std::vector<std::string>& result) const {
    for (const auto& entry : node) {
      const auto place = static_cast<size_t>(whole_number(entry.first, "the number of a class"));
      result.resize(std::max(result.size(), place + 1));
      if (!result[place].empty()) throw error(entry.first, fmt::format("class {} has two names", place));
      result[place] = class_name(entry.second);
    }
  }

  std::string class_name(const YAML::Node& node) const {
    const auto name = node.IsScalar() ? node.Scalar() : std::string();
    if (!trimmed(name).empty()) return name;
    throw error(node, node.IsNull() ? "a class has no name; write one in quotes, also for \"null\""
                                    : "a class has no name, or one that is no text");
  }

  const fs::path& file_;
};

bool has_words(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::all_of(words, [&](auto word) { return text.find(word) != std::string_view::npos; });
}

/// Whether it looks like one of these files to somebody who does not know yaml.
bool mentions_parts(std::string_view text) {
  return has_words(text, {"names", "train"}) || has_words(text, {"names", "val"}) ||
         has_words(text, {"nc", "train"});
}

constexpr std::array<std::string_view, 3> kUsualNames = {"data", "dataset", "config"};

/// The place of a file's name among the usual ones; their number for another.
size_t usual_place(const fs::path& file) {
  return static_cast<size_t>(std::ranges::find(kUsualNames, lower(file.stem().string())) -
                             kUsualNames.begin());
}

/// What a file's first bytes say without knowledge of yaml.
std::string head_of_yaml(const fs::path& file) {
  constexpr size_t kHead = 65536;
  auto head = read_head(file, kHead);
  std::erase(head, '\0');  // UTF-16
  return head;
}

/// Which of two files is rather the data set's: one with parts, then by its name. The less, the rather.
using YamlRank = std::pair<bool, size_t>;

std::string yaml_text(const std::string& text) {
  YAML::Emitter emitter;
  emitter << YAML::DoubleQuoted << text;
  std::string result = emitter.c_str();
  for (size_t at = result.find('\x7f'); at != std::string::npos; at = result.find('\x7f', at))
    result.replace(at, 1, "\\x7f");  // yaml has no such character
  return result;
}

}  // namespace

std::optional<YoloYaml> read_yolo_yaml(const fs::path& file) {
  const auto head = head_of_yaml(file);
  const bool has_parts = has_words(head, {"train"}) || has_words(head, {"val"});
  if (!has_words(head, {"names"}) && !mentions_parts(head) &&
      !(has_parts && usual_place(file) < kUsualNames.size()))
    return std::nullopt;
  std::error_code unknown;
  if (fs::file_size(file, unknown) > kLargestYaml || unknown) return std::nullopt;
  const auto text = read_lines(file, kLargestYaml);
  YamlReader reader(file);
  try {
    const auto root = YAML::Load(text);
    if (!root.IsMap()) return std::nullopt;
    auto yaml = reader.read(root);
    if (yaml.names.empty() && (!yaml.class_count || yaml.parts.empty())) return std::nullopt;
    return yaml;
  } catch (const YAML::Exception& error) {
    throw reader.error(error.mark, "is no yaml: " + error.msg);
  }
}

FoundYaml find_yolo_yaml(const fs::path& folder, const std::vector<std::string>& files) {
  FoundYaml result;
  std::vector<YoloYaml> found;
  std::vector<std::pair<YamlRank, std::string>> damaged;
  for (const auto& name : files) {
    const auto file = folder / name;
    try {
      if (auto yaml = read_yolo_yaml(file)) found.push_back(std::move(*yaml));
    } catch (const DataError& error) {
      damaged.emplace_back(YamlRank(!mentions_parts(head_of_yaml(file)), usual_place(file)), error.what());
    }
  }
  const auto rank = [](const YoloYaml& yaml) { return YamlRank(yaml.parts.empty(), usual_place(yaml.file)); };
  std::ranges::stable_sort(found, {}, rank);
  const bool are_equal = found.size() > 1 && rank(found[0]) == rank(found[1]);
  if (are_equal && !found.front().parts.empty()) {
    result.failure =
        fmt::format("{}: {} and {} are both a YOLO data set's; name one of them", folder.string(),
                    found[0].file.filename().string(), found[1].file.filename().string());
  } else if (!found.empty() && (!are_equal || found[0].names == found[1].names)) {
    result.yaml = std::move(found.front());
    found.erase(found.begin());
  }
  result.others = std::move(found);
  std::ranges::stable_sort(damaged);
  for (auto& [place, why] : damaged) {
    const bool may_be_it = !place.first || place.second < kUsualNames.size();
    const bool counts = result.yaml ? place < rank(*result.yaml) : may_be_it;
    if (counts && result.failure.empty()) {
      result.failure = std::move(why);
    } else {
      result.unread.push_back(std::move(why));
    }
  }
  return result;
}

std::string to_text(const YoloYaml& yaml) {
  std::string text;
  for (const auto& [name, places] : yaml.parts)
    text += fmt::format("{}: {}\n", name, yaml_text(places.front()));
  if (!yaml.lines.empty()) text += fmt::format("yolo_lines: {}\n", yaml.lines);
  text += fmt::format("nc: {}\nnames:{}\n", yaml.names.size(), yaml.names.empty() ? " {}" : "");
  for (size_t i = 0; i < yaml.names.size(); ++i) {
    if (!yaml.names[i].empty()) text += fmt::format("  {}: {}\n", i, yaml_text(yaml.names[i]));
  }
  return text;
}

}  // namespace rcnn::data
