#include <algorithm>
#include <deque>
#include <set>
#include <system_error>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/formats/place.h>
#include <rcnn/error.h>

#include "data/images/image_ending.h"
#include "data/passed_over.h"
#include "data/paths.h"
#include "text.h"
#include "text_file.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLooked = 65536;

/// Lists folders, those that are no links first: what can be reached without one has its own path.
class Lister {
 public:
  explicit Lister(const fs::path& root) : root_(root) {}

  std::vector<Folder> list() {
    waiting_.push_back({});
    while (!waiting_.empty() || !links_.empty()) {
      auto& from = waiting_.empty() ? links_ : waiting_;
      const auto path = from.front();
      from.pop_front();
      std::error_code broken;  // a link that leads nowhere
      const auto folder = fs::canonical(root_ / path, broken);
      if (!broken && seen_.insert(folder).second) list(path);
    }
    std::ranges::sort(folders_, {}, &Folder::path);
    return std::move(folders_);
  }

 private:
  void list(const std::string& path) {
    constexpr size_t kMostFiles = 10'000'000;
    Folder folder{.path = path, .files = {}};
    std::error_code error;
    for (fs::directory_iterator entry(root_ / path, error), end; !error && entry != end;
         entry.increment(error)) {
      auto name = entry->path().filename().string();
      if (is_passed_over(name)) continue;
      std::error_code ignored;  // what cannot be looked at is no file
      if (entry->is_directory(ignored)) {
        auto below = path.empty() ? std::move(name) : path + '/' + name;
        (entry->is_symlink(ignored) ? links_ : waiting_).push_back(std::move(below));
      } else if (entry->is_regular_file(ignored)) {
        folder.files.push_back(std::move(name));
      }
    }
    if (error)
      throw DataError(fmt::format("{}: cannot be listed: {}", (root_ / path).string(), error.message()));
    files_ += folder.files.size();
    if (files_ > kMostFiles) {
      throw DataError(fmt::format("{}: holds more than {} files; name the folder of one data set",
                                  root_.string(), kMostFiles));
    }
    std::ranges::sort(folder.files);
    folders_.push_back(std::move(folder));
  }

  const fs::path& root_;
  std::deque<std::string> waiting_, links_;
  std::set<fs::path> seen_;
  std::vector<Folder> folders_;
  size_t files_ = 0;
};

}  // namespace

std::vector<std::string> Folder::with_ending(std::initializer_list<std::string_view> endings) const {
  std::vector<std::string> found;
  for (const auto& file : files) {
    const auto ending = lower(std::string(ending_of(file)));
    if (std::ranges::find(endings, ending) != endings.end()) found.push_back(file);
  }
  return found;
}

std::vector<std::string> Folder::images() const {
  std::vector<std::string> found;
  std::ranges::copy_if(files, std::back_inserter(found), has_image_ending);
  return found;
}

bool Folder::has(std::string_view file) const {
  return std::ranges::binary_search(files, file);
}

std::string Folder::file(std::string_view name) const {
  return path.empty() ? std::string(name) : fmt::format("{}/{}", path, name);
}

Place::Place(fs::path path) : path_(std::move(path)) {
  if (!is_there(path_)) throw DataError(fmt::format("{}: there is no such file or folder", path_.string()));
  is_folder_ = fs::is_directory(path_);
}

const std::vector<Folder>& Place::folders() const {
  if (!folders_) folders_ = is_folder_ ? Lister(path_).list() : std::vector<Folder>();
  return *folders_;
}

const Folder* Place::folder(std::string_view path) const {
  const Folder* found = nullptr;
  const auto wanted = lower(std::string(path));
  for (const auto& folder : folders()) {
    if (folder.path == path) return &folder;
    if (found == nullptr && lower(folder.path) == wanted) found = &folder;
  }
  return found;
}

std::string Place::head() const {
  return is_folder_ ? "" : without_byte_order_mark(read_head(path_, kLooked));
}

std::string Place::head(const std::string& file) const {
  return without_byte_order_mark(read_head(path_ / file, kLooked));
}

}  // namespace rcnn::data
