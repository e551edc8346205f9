#include "data/proposals/partial_proposals.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>
#include <thread>

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
#include "io/files/process_name.h"

namespace rcnn::data {

using PartialRecord = nlohmann::json;

namespace {

constexpr std::string_view kPartialKind = "rcnn proposals in the making, 1";
constexpr const char* kMaker = "maker";  // the record of a process

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

std::string content_of(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// The last process that has written to a file of such content.
std::string maker_of(std::string_view content) {
  std::string maker = "unnamed";
  while (const auto record = take_record(content)) maker = record->value(kMaker, maker);
  return maker;
}

}  // namespace

PartialProposals::PartialProposals(std::filesystem::path file, const Description& description, bool resume)
    : file_(std::move(file)) {
  open_file();
  try {
    read(description, resume);
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

void PartialProposals::open_file() {
  std::error_code error;
  const auto status = std::filesystem::symlink_status(file_, error);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    throw DataError(
        fmt::format("{}: is no regular file, and what is done would be kept there: remove it, or "
                    "name another output",
                    file_.string()));
  }
  descriptor_ = ::open(file_.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (descriptor_ < 0) fail("written");
  // File systems that know no locks let it pass.
  const auto is_taken = [&] { return flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK; };
  constexpr int kMostTries = 50;
  for (int tries = 0; is_taken(); ++tries) {
    const auto maker = maker_of(content_of(file_));
    if (tries < kMostTries &&
        !io::may_live(maker)) {  // its workers, which share the lock, end a moment later
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      continue;
    }
    close(descriptor_);
    throw ConfigError(
        fmt::format("{}: another process writes to it ({}): wait for it, stop it, or name another output",
                    file_.string(), maker));
  }
}

void PartialProposals::check_description(const PartialRecord& head, const Description& description) const {
  const auto was = head.at("of").get<Description>();
  const auto value_in = [](const Description& described, const std::string& name) {
    const auto entry = std::ranges::find(described, name, [](const auto& entry) { return entry.first; });
    return entry == described.end() ? "none" : entry->second;
  };
  for (const auto* names : {&description, &was}) {
    for (const auto& [name, unused] : *names) {
      const auto before = value_in(was, name), now = value_in(description, name);
      if (before == now) continue;
      throw ConfigError(
          fmt::format("--resume: {} was made with another {}: {}, not {}; give the same again, or "
                      "remove it to begin anew",
                      file_.string(), name, before, now));
    }
  }
}

void PartialProposals::read(const Description& description, bool resume) {
  const auto content = content_of(file_);
  std::string_view bytes = content;
  const auto head = take_record(bytes);
  if (!head && !content.empty()) {
    throw DataError(
        fmt::format("{}: is no file of proposals in the making, or damaged from its beginning on: "
                    "remove it to begin anew",
                    file_.string()));
  }
  if (head && head->value("kind", "") != kPartialKind) {
    throw DataError(
        fmt::format("{}: is of another version of rcnn: remove it to begin anew", file_.string()));
  }
  if (head && resume) check_description(*head, description);
  while (auto record = take_record(bytes)) {
    if (!record->contains(kMaker)) made_.push_back(from_record(*record));
  }
  if (!resume && !made_.empty()) {
    throw ConfigError(
        fmt::format("{} is there, with {} images of a run that did not end: --resume goes on with it; remove "
                    "it to begin anew",
                    file_.string(), made_.size()));
  }
  const auto cut = [&](size_t size) {
    if (ftruncate(descriptor_, static_cast<off_t>(size)) != 0) fail("written");
  };
  if (!head || !resume) {
    cut(0);
    return append({{"kind", kPartialKind}, {"of", description}});
  }
  if (bytes.empty()) return;
  log::warn(fmt::format("{}: its last {} bytes are cut off or damaged: what they were of is made again",
                        file_.string(), bytes.size()));
  cut(content.size() - bytes.size());
}

void PartialProposals::sign() {
  append(PartialRecord::object({{kMaker, io::process_name()}}));
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
