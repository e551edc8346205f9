#include <algorithm>
#include <array>
#include <cerrno>
#include <regex>
#include <system_error>

#include <spdlog/fmt/fmt.h>

#include <rcnn/io/files/atomic_file.h>

#include "io/files/atomic_writer.h"

namespace rcnn::io {
namespace {

namespace fs = std::filesystem;

/// As TemporaryFile names them.
bool is_temporary(const fs::directory_entry& entry) {
  static const std::regex kName(R"([\s\S]+\.tmp\.[0-9]+\.[0-9]+)");
  std::error_code ignored;  // an entry that is gone already is no file
  return fs::is_regular_file(entry.symlink_status(ignored)) &&
         std::regex_match(entry.path().filename().string(), kName);
}

}  // namespace

bool WriteError::is_of_disk() const {
  constexpr std::array kOfDisk = {ENOSPC, EDQUOT, EFBIG, EROFS, EIO, ENODEV, ESTALE};
  return std::ranges::find(kOfDisk, code_) != kOfDisk.end();
}

void write_atomically(const fs::path& file, std::span<const std::string_view> pieces) {
  uint64_t bytes = 0;
  for (const auto piece : pieces) bytes += piece.size();
  AtomicWriter writer(file, bytes);
  for (const auto piece : pieces) writer.write(piece);
  writer.commit();
}

void write_atomically(const fs::path& file, std::string_view content) {
  write_atomically(file, {&content, 1});
}

size_t remove_temporaries(const fs::path& folder) {
  const auto refuse = [](std::string_view what, const fs::path& where, const std::error_code& why) {
    throw DataError(fmt::format("cannot {} {}: {}", what, where.string(), why.message()));
  };
  std::error_code error;
  size_t removed = 0;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (!is_temporary(*entry)) continue;
    const fs::path file = entry->path();
    removed += fs::remove(file, error);
    if (error) refuse("remove", file, error);
  }
  if (error) refuse("list the folder", folder, error);
  return removed;
}

}  // namespace rcnn::io
