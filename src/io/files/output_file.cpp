#include <cerrno>
#include <system_error>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rcnn/io/files/atomic_file.h>
#include <rcnn/io/files/output_file.h>

namespace rcnn::io {
namespace {

namespace fs = std::filesystem;

/// What the name leads to, if not to a plain file; with what to do about it.
const char* kind_of(mode_t mode) {
  if (S_ISREG(mode)) return nullptr;
  if (S_ISLNK(mode)) return "is a link, which would be replaced; name the file itself";
  if (S_ISDIR(mode)) return "is a folder; name a file";
  if (S_ISFIFO(mode)) return "is a pipe; name a file";
  if (S_ISSOCK(mode)) return "is a socket; name a file";
  return "is a device; name a file";
}

FileId id_of(const struct stat& status) {
  return {.device = status.st_dev, .number = status.st_ino};
}

}  // namespace

std::optional<FileId> file_id(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return id_of(status);
}

std::set<FileId> file_ids(std::span<const fs::path> paths) {
  std::set<FileId> ids;
  for (const auto& path : paths) {
    if (const auto id = file_id(path)) ids.insert(*id);
  }
  return ids;
}

OutputFile::OutputFile(std::string option, fs::path file, std::set<FileId> inputs)
    : option_(std::move(option)), file_(std::move(file)), inputs_(std::move(inputs)) {
  check();
}

void OutputFile::add_inputs(std::set<FileId> inputs) {
  inputs_.merge(inputs);
  check();
}

void OutputFile::check() const {
  if (file_.empty()) throw ConfigError(fmt::format("{}: the name is empty; name a file", option_));
  const auto name = fmt::format("{} {}", option_, file_.string());
  const auto fail = [&](const fs::path& what) {
    throw DataError(fmt::format("{}: {}cannot be written: {}", name, what == file_ ? "" : what.string() + " ",
                                std::generic_category().message(errno)));
  };
  const auto folder = file_.has_parent_path() ? file_.parent_path() : fs::path(".");
  std::error_code not_there;
  if (!fs::is_directory(folder, not_there)) {
    throw ConfigError(fmt::format("{}: there is no folder {}", name, folder.string()));
  }
  struct stat there {};
  if (::lstat(file_.c_str(), &there) != 0) {
    if (errno != ENOENT) fail(file_);
  } else {
    if (const char* kind = kind_of(there.st_mode)) throw ConfigError(fmt::format("{}: {}", name, kind));
    if (inputs_.contains(id_of(there))) {
      throw ConfigError(
          fmt::format("{}: is read by this command, and would be lost; name another file", name));
    }
    if (::access(file_.c_str(), W_OK) != 0) fail(file_);
  }
  if (::access(folder.c_str(), W_OK | X_OK) != 0) fail(folder);
}

void OutputFile::write(std::string_view content) const {
  check();
  write_atomically(file_, content);
}

}  // namespace rcnn::io
