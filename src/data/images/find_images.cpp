#include <algorithm>
#include <climits>
#include <deque>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>

#include <glob.h>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/images/find_images.h>

#include "data/images/image_ending.h"
#include "data/passed_over.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kWildcards = "*?[";

bool has_wildcard(const fs::path& path) {
  return path.string().find_first_of(kWildcards) != std::string::npos;
}

bool is_folder(const fs::path& path) {
  std::error_code not_there;
  return fs::is_directory(path, not_there);
}

bool is_file(const fs::path& path) {
  std::error_code ignored;  // a link that leads nowhere is no file
  return fs::is_regular_file(path, ignored);
}

/// What lies in a folder, in the order of the names, without what is passed over.
std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (!is_passed_over(entry->path().filename().native())) entries.push_back(entry->path());
  }
  if (error) throw DataError(fmt::format("{}: cannot be listed: {}", folder.string(), error.message()));
  std::ranges::sort(entries);
  return entries;
}

/// A folder and all below it, each once. Links come last: what can be reached without them has its own path.
std::vector<fs::path> folders_from(const fs::path& top) {
  std::vector<fs::path> folders;
  std::set<fs::path> seen;
  std::deque<fs::path> waiting = {top}, links;
  while (!waiting.empty() || !links.empty()) {
    auto& from = waiting.empty() ? links : waiting;
    const auto folder = from.front();
    from.pop_front();
    if (!seen.insert(fs::canonical(folder)).second) continue;
    folders.push_back(folder);
    for (const auto& entry : entries_of(folder)) {
      if (is_folder(entry)) (fs::is_symlink(entry) ? links : waiting).push_back(entry);
    }
  }
  return folders;
}

std::vector<fs::path> images_in(const fs::path& folder, bool recursive) {
  std::vector<fs::path> images;
  for (const auto& each : recursive ? folders_from(folder) : std::vector{folder}) {
    for (const auto& entry : entries_of(each)) {
      if (has_image_ending(entry.filename().string()) && is_file(entry)) images.push_back(entry);
    }
  }
  std::ranges::sort(images);
  return images;
}

/// A path as a pattern that stands for it alone.
std::string literal_pattern(const fs::path& path) {
  std::string text;
  for (const char c : path.string()) {
    if (c == '\\' || kWildcards.find(c) != std::string_view::npos) text += '\\';
    text += c;
  }
  return text;
}

/// Whether a wildcard, and not the user, came upon what is passed over. Parts of a pattern without `**` and
/// of its match belong together one by one.
bool came_upon_passed_over(const fs::path& pattern, const fs::path& match) {
  auto name = match.begin();
  for (auto part = pattern.begin(); part != pattern.end() && name != match.end(); ++part, ++name) {
    if (has_wildcard(*part) && !part->native().starts_with('.') && is_passed_over(name->native()))
      return true;
  }
  return false;
}

/// All that a pattern without `**` matches.
std::vector<fs::path> matches_of_glob(const std::string& pattern) {
  glob_t found = {};
  const int failed = glob(pattern.c_str(), 0, nullptr, &found);
  std::vector<fs::path> matches(found.gl_pathv, found.gl_pathv + (failed ? 0 : found.gl_pathc));
  globfree(&found);
  std::erase_if(matches, [&](const fs::path& match) { return came_upon_passed_over(pattern, match); });
  return matches;
}

std::vector<fs::path> matches_of(const fs::path& pattern) {
  const auto any_folders = std::ranges::find(pattern, "**");
  if (any_folders == pattern.end()) return matches_of_glob(pattern.string());
  fs::path before, after;
  for (auto part = pattern.begin(); part != any_folders; ++part) before /= *part;
  for (auto part = std::next(any_folders); part != pattern.end(); ++part) after /= *part;
  std::vector<fs::path> matches;
  for (const auto& top : before.empty() ? std::vector<fs::path>{"."} : matches_of(before)) {
    if (!is_folder(top)) continue;
    for (const auto& folder : folders_from(top)) {
      if (after.empty()) {
        matches.push_back(folder);
        continue;
      }
      // "." stands for no folder at all, and so for no part of the result.
      const auto inside = before.empty() ? folder.lexically_relative(".") : folder;
      const auto pattern_here = inside == "." ? after : fs::path(literal_pattern(inside)) / after;
      const auto here = matches_of(pattern_here);
      matches.insert(matches.end(), here.begin(), here.end());
    }
  }
  std::ranges::sort(matches);
  return matches;
}

/// The folder that a pattern starts from: what stands before its first part with a wildcard.
fs::path fixed_part(const fs::path& pattern) {
  fs::path fixed;
  for (const auto& part : pattern) {
    if (has_wildcard(part)) break;
    fixed /= part;
  }
  return fixed;
}

class Finder {
 public:
  explicit Finder(const FindImagesOptions& options) : options_(options) {}

  void add(const fs::path& input, const std::string& place = "") {
    std::error_code error;
    const auto status = fs::status(input, error);
    if (fs::is_directory(status)) {
      const auto images = images_in(input, options_.recursive);
      for (const auto& image : images) keep(image, image.lexically_relative(input));
      refuse_none(
          images.empty(), place, input, "no image there",
          "name image files or folders that hold some; --recursive looks into folders of folders, too");
    } else if (fs::exists(status)) {
      keep(input, input.filename());
    } else if (has_wildcard(input)) {
      add_pattern(input, place);
    } else {
      throw DataError(fmt::format("{}{}: {}", place, input.string(), error.message()));
    }
  }

  void add_list(std::istream& list) {
    constexpr size_t kBlock = 65536;
    constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";  // editors of Windows put it there
    std::string block(kBlock, '\0'), line;
    std::optional<char> end;
    ListPlace place;
    while (list.read(block.data(), kBlock), list.gcount() > 0) {
      std::string_view text(block.data(), static_cast<size_t>(list.gcount()));
      if (!end) {
        end = text.find('\0') == std::string_view::npos ? '\n' : '\0';
        if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
      }
      for (auto stop = text.find(*end);; stop = text.find(*end)) {
        line += text.substr(0, stop);
        if (line.size() > PATH_MAX) {
          throw DataError(fmt::format("line {} of the list: is longer than any path", place.number));
        }
        if (stop == std::string_view::npos) break;
        text.remove_prefix(stop + 1);
        add_line(line, *end, place);
        line.clear();
      }
    }
    if (!line.empty()) add_line(line, *end, place);
    if (place.inputs == 0) throw DataError("the list names no image; write one path a line");
  }

  std::vector<FoundImage> take() { return std::move(found_); }

 private:
  struct ListPlace {
    int64_t number = 1, inputs = 0, empty_before = 0;
  };

  void add_line(std::string line, char end, ListPlace& place) {
    constexpr int64_t kMostEmpty = 10'000;
    const auto where = fmt::format("line {} of the list: ", place.number++);
    if (end == '\n' && line.ends_with('\r')) line.pop_back();
    place.empty_before = line.empty() ? place.empty_before + 1 : 0;
    if (place.empty_before > kMostEmpty) throw DataError(where + "nothing but empty lines; this is no list");
    if (line.find('\0') != std::string::npos) throw DataError(where + "holds a NUL, which no path does");
    if (line.empty()) return;
    ++place.inputs;
    add(line, where);
  }

  void add_pattern(const fs::path& pattern, const std::string& place) {
    const auto fixed = fixed_part(pattern);
    const auto relative = [&](const fs::path& image) {
      return fixed.empty() ? image : image.lexically_relative(fixed);
    };
    size_t images = 0;
    const auto take = [&](const fs::path& image) {
      keep(image, relative(image));
      ++images;
    };
    for (const auto& match : matches_of(pattern)) {
      if (is_folder(match)) {
        for (const auto& image : images_in(match, options_.recursive)) take(image);
      } else if (has_image_ending(match.filename().string()) && is_file(match)) {
        take(match);
      }
    }
    refuse_none(images == 0, place, pattern, "matches no image",
                "look at the pattern, or name files and folders");
  }

  static void refuse_none(bool none, const std::string& place, const fs::path& input, std::string_view what,
                          std::string_view advice) {
    if (none) throw DataError(fmt::format("{}{}: {}; {}", place, input.string(), what, advice));
  }

  /// A file is itself by its name in its true folder: a link to a file is another one.
  void keep(const fs::path& path, const fs::path& relative) {
    const auto folder = path.has_parent_path() ? path.parent_path() : ".";
    auto known = true_folders_.find(folder);
    if (known == true_folders_.end()) known = true_folders_.emplace(folder, fs::canonical(folder)).first;
    if (seen_.insert(known->second / path.filename()).second) found_.push_back({path, relative});
  }

  const FindImagesOptions& options_;
  std::vector<FoundImage> found_;
  std::set<fs::path> seen_;
  std::map<fs::path, fs::path> true_folders_;
};

}  // namespace

std::vector<FoundImage> find_images(const std::vector<fs::path>& inputs, const FindImagesOptions& options) {
  if (inputs.empty()) throw DataError("no image is named; name image files or folders that hold some");
  Finder finder(options);
  for (const auto& input : inputs) {
    if (input == "-" && options.list) {
      finder.add_list(*options.list);
    } else {
      finder.add(input);
    }
  }
  return finder.take();
}

}  // namespace rcnn::data
