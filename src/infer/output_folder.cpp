#include <algorithm>
#include <system_error>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <rcnn/infer/output_folder.h>
#include <rcnn/io/files/atomic_file.h>

#include "text.h"

namespace rcnn {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLongestName = 240;  // of 255 bytes, for numbers and endings

std::string small(const fs::path& path) {
  return lower(path.string());
}

/// Cut to `most` bytes, between the characters of UTF-8.
std::string cut(std::string name, size_t most) {
  if (name.size() <= most) return name;
  while (most > 0 && (static_cast<unsigned char>(name[most]) & 0xC0) == 0x80) --most;
  name.resize(most);
  return name;
}

bool is_below(const fs::path& path, const fs::path& folder) {
  return std::ranges::mismatch(folder, path).in1 == folder.end();
}

}  // namespace

OutputFolder::OutputFolder(fs::path folder, const std::set<std::string>& reserved,
                           std::set<io::FileId> inputs)
    : folder_(std::move(folder)), inputs_(std::move(inputs)) {
  for (const auto& name : reserved) files_.insert(small(name));
}

fs::path OutputFolder::name_of(const fs::path& wanted, std::string_view ending) {
  fs::path folder;
  for (const auto& part : wanted.relative_path().parent_path()) {
    if (part.empty() || part == "." || part == "..") continue;
    const auto name = cut(part.string(), kLongestName);
    auto numbered = folder / name;
    for (int number = 2; files_.contains(small(numbered)); ++number)
      numbered = folder / fmt::format("{}_{}", name, number);
    folder = numbered;
    folders_.insert(small(folder));
  }
  auto stem = cut(wanted.stem().string(), kLongestName - ending.size());
  if (stem.empty() || stem == "." || stem == "..") stem = "image";
  auto name = folder / fmt::format("{}{}", stem, ending);
  for (int number = 2; folders_.contains(small(name)) || !files_.insert(small(name)).second; ++number)
    name = folder / fmt::format("{}_{}{}", stem, number, ending);
  return name;
}

fs::path OutputFolder::make_room(const fs::path& name) {
  const auto refuse = [](const fs::path& what, const std::error_code& why) {
    throw io::WriteError(fmt::format("cannot write {}: {}", what.string(), why.message()), why.value());
  };
  std::error_code error;
  auto folder = folder_;
  for (const auto& part : name.parent_path()) {
    folder /= part;
    if (checked_.contains(folder)) continue;
    fs::create_directory(folder, error);
    if (error) refuse(folder, error);
    const auto real = fs::canonical(folder, error), top = fs::canonical(folder_, error);
    if (error) refuse(folder, error);
    if (!is_below(real, top)) {
      throw DataError(fmt::format("cannot write below {}: the link leads out of the output folder; remove it",
                                  folder.string()));
    }
    checked_.insert(folder);
  }
  auto file = folder_ / name;
  const auto there = fs::symlink_status(file, error);
  if (there.type() == fs::file_type::not_found) return file;
  if (error) refuse(file, error);
  const bool is_link = fs::is_symlink(there);
  if (!is_link && !fs::is_regular_file(there)) {
    throw DataError(fmt::format("cannot write {}: what lies there is no file", file.string()));
  }
  if (!is_link && inputs_.contains(io::file_id(file).value_or(io::FileId{}))) {
    throw DataError(
        fmt::format("cannot write {}: it is an image that is read; name another folder", file.string()));
  }
  if (is_link || fs::hard_link_count(file, error) > 1) fs::remove(file, error);
  if (error) refuse(file, error);
  return file;
}

std::string OutputFolder::file_name_of(std::string_view word) {
  std::string name;
  for (const char c : word) {
    const bool unfit = c == '/' || c == '\\' || std::iscntrl(static_cast<unsigned char>(c));
    name += unfit || (c == '.' && name.empty()) ? '_' : c;
  }
  return name.empty() ? "_" : cut(name, kLongestName);
}

}  // namespace rcnn
