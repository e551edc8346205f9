#include "data/proposals/partial_proposals.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>
#include <sys/file.h>
#include <unistd.h>

#include <rcnn/error.h>
#include <rcnn/io/files/atomic_file.h>
#include <rcnn/log.h>

#include "data/proposals/box_bytes.h"
#include "io/files/checksum.h"

namespace rcnn::data {

using PartialRecord = nlohmann::json;

namespace {

constexpr std::string_view kPartialKind = "rcnn proposals in the making, 1";

std::string checksum_of(std::string_view content) {
  io::Checksum checksum;
  checksum.add(content);
  return checksum.digits();
}

/// Takes the first record off `bytes`; none when it is cut off or damaged.
std::optional<PartialRecord> take_record(std::string_view& bytes) {
  uint64_t size = 0;
  if (bytes.size() < sizeof size) return std::nullopt;
  std::memcpy(&size, bytes.data(), sizeof size);
  const auto rest = bytes.substr(sizeof size);
  if (size > rest.size() || rest.size() - size < io::Checksum::kDigits) return std::nullopt;
  const auto content = rest.substr(0, size);
  if (rest.substr(size, io::Checksum::kDigits) != checksum_of(content)) return std::nullopt;
  auto record = nlohmann::json::from_cbor(content, /*strict=*/true, /*allow_exceptions=*/false);
  if (record.is_discarded()) return std::nullopt;
  bytes = rest.substr(size + io::Checksum::kDigits);
  return record;
}

PartialRecord to_record(const MadeProposals& made) {
  return {{"index", made.index}, {"boxes", to_binary(made.boxes)}, {"scores", to_binary(made.scores)}};
}

MadeProposals from_record(const PartialRecord& record) {
  return {.index = record.at("index").get<int64_t>(),
          .boxes = from_binary<Box>(record.at("boxes")),
          .scores = from_binary<float>(record.at("scores")),
          .error = {}};
}

}  // namespace

PartialProposals::PartialProposals(std::filesystem::path file, const Description& description, bool resume)
    : file_(std::move(file)) {
  open_file(resume);
  try {
    read(description);
  } catch (...) {
    close(descriptor_);
    throw;
  }
}

PartialProposals::~PartialProposals() {
  close(descriptor_);
}

void PartialProposals::fail(std::string_view what) const {
  throw io::WriteError(
      fmt::format("{}: cannot be {}: {}", file_.string(), what, std::generic_category().message(errno)),
      errno);
}

void PartialProposals::open_file(bool resume) {
  const int flags = O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (resume ? 0 : O_EXCL);
  descriptor_ = ::open(file_.c_str(), flags, 0666);
  if (descriptor_ < 0 && errno == EEXIST) {
    throw ConfigError(
        fmt::format("{} is there, of a run that did not end: --resume goes on with it; remove it to begin "
                    "anew",
                    file_.string()));
  }
  if (descriptor_ < 0) fail("written");
  // File systems that know no locks let it pass.
  if (flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    close(descriptor_);
    throw ConfigError(
        fmt::format("{}: another process writes to it: wait for it, stop it, or name another "
                    "output",
                    file_.string()));
  }
}

void PartialProposals::read(const Description& description) {
  std::ifstream stream(file_, std::ios::binary);
  const std::string content((std::istreambuf_iterator<char>(stream)), {});
  std::string_view bytes = content;
  const PartialRecord wanted = {{"kind", kPartialKind}, {"of", description}};
  const auto head = take_record(bytes);
  if (!head) {
    if (!content.empty()) {
      throw DataError(
          fmt::format("{}: is no file of proposals in the making, or damaged from its beginning on: "
                      "remove it to begin anew",
                      file_.string()));
    }
    return append(wanted);
  }
  if (head->value("kind", "") != kPartialKind) {
    throw DataError(
        fmt::format("{}: is of another version of rcnn: remove it to begin anew", file_.string()));
  }
  const auto was = head->at("of").get<Description>();
  for (const auto& [name, value] : description) {
    const auto before = std::ranges::find(was, name, [](const auto& entry) { return entry.first; });
    if (before != was.end() && before->second == value) continue;
    throw ConfigError(
        fmt::format("--resume: {} was made with another {}: {}, not {}; give the same again, or "
                    "remove it to begin anew",
                    file_.string(), name, before == was.end() ? "none" : before->second, value));
  }
  while (auto record = take_record(bytes)) made_.push_back(from_record(*record));
  if (bytes.empty()) return;
  log::warn(fmt::format("{}: its last {} bytes are cut off or damaged: what they were of is made again",
                        file_.string(), bytes.size()));
  if (ftruncate(descriptor_, static_cast<off_t>(content.size() - bytes.size())) != 0) fail("written");
}

void PartialProposals::add(const MadeProposals& made) {
  append(to_record(made));
}

void PartialProposals::append(const PartialRecord& record_json) {
  std::string content;
  nlohmann::json::to_cbor(record_json, content);
  const uint64_t size = content.size();
  std::string record(reinterpret_cast<const char*>(&size), sizeof size);
  record += content + checksum_of(content);
  std::string_view left = record;
  while (!left.empty()) {
    const ssize_t written = ::write(descriptor_, left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("written");
    left.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace rcnn::data
