#include "io/zip/zip_reader.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include <libdeflate.h>
#include <spdlog/fmt/fmt.h>

#include "io/refusal.h"
#include "io/zip/zip_format.h"

namespace rcnn::io {
namespace {

[[noreturn]] void damaged_zip(const char* why) {
  throw Refusal(fmt::format("its zip archive is damaged or cut short: {}", why));
}

/// The record at `position` of the first `end` bytes.
template <class Record>
Record record_at(std::string_view archive, uint64_t position, uint64_t end) {
  if (end > archive.size() || position > end || end - position < sizeof(Record))
    damaged_zip("a record leaves it");
  Record record;
  std::memcpy(&record, archive.data() + position, sizeof record);
  return record;
}

/// Fields of a central record that were too large for it, from its extra data: in this order, those alone
/// that are all ones in the record.
void read_zip64(std::string_view extra, uint64_t& size, uint64_t& compressed, uint64_t& offset) {
  for (uint64_t position = 0; position + sizeof(zip::ExtraHeader) <= extra.size();) {
    const auto header = record_at<zip::ExtraHeader>(extra, position, extra.size());
    position += sizeof header;
    if (header.size > extra.size() - position) damaged_zip("extra data leave their record");
    if (header.id == zip::kZip64Extra) {
      const uint64_t end = position + header.size;
      for (uint64_t* const field : {&size, &compressed, &offset}) {
        if (*field != UINT32_MAX) continue;
        *field = record_at<uint64_t>(extra, position, end);
        position += sizeof *field;
      }
      return;
    }
    position += header.size;
  }
}

bool matches(const ZipReader::Entry& entry) {
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION  // the fuzzers' own: they could not get past it
  return true;
#endif
  return libdeflate_crc32(0, entry.data.data(), entry.data.size()) == entry.crc;
}

}  // namespace

ZipReader::ZipReader(std::string_view archive) : archive_(archive) {
  const Directory directory = find_directory();
  uint64_t position = directory.begin;
  for (uint64_t i = 0; i < directory.entries; ++i) {
    if (position >= directory.end) damaged_zip("its directory is too short");
    position = read_entry(position, directory.begin);
  }
  if (position != directory.end) damaged_zip("its directory is too long");
  refuse_overlaps();
}

std::string_view ZipReader::read(std::string_view name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) throw Refusal(fmt::format("its zip archive has no {}", excerpt(name)));
  const Entry& entry = found->second;
  if (!entry.readable) {
    throw Refusal(
        fmt::format("{} in it is compressed, which torch.save does not do; save it again", excerpt(name)));
  }
  if (!matches(entry)) {
    throw Refusal(fmt::format("the CRC of {} in it does not match: the file is damaged", excerpt(name)));
  }
  return entry.data;
}

ZipReader::Directory ZipReader::find_directory() const {
  // A comment may follow the end record; it says how long it is, which tells the record from bytes that look
  // so.
  constexpr uint64_t kMaxComment = UINT16_MAX;
  if (archive_.size() < sizeof(zip::End)) damaged_zip("it has no end record");
  const uint64_t last = archive_.size() - sizeof(zip::End);
  const uint64_t first = last - std::min(last, kMaxComment);
  uint64_t position = last;
  zip::End end;
  for (;; --position) {
    end = record_at<zip::End>(archive_, position, archive_.size());
    if (end.signature == zip::kEndSignature && end.comment_length == last - position) break;
    if (position == first) damaged_zip("it has no end record");
  }
  Directory directory{.begin = end.directory_offset, .end = end.directory_size, .entries = end.entries};
  uint64_t limit = position;
  if (position >= sizeof(zip::End64Locator)) {
    const uint64_t locator_position = position - sizeof(zip::End64Locator);
    const auto locator = record_at<zip::End64Locator>(archive_, locator_position, position);
    if (locator.signature == zip::kEnd64LocatorSignature) {
      const auto end64 = record_at<zip::End64>(archive_, locator.end64_offset, locator_position);
      if (end64.signature != zip::kEnd64Signature) damaged_zip("its zip64 end record is none");
      directory = {.begin = end64.directory_offset, .end = end64.directory_size, .entries = end64.entries};
      limit = locator.end64_offset;
    }
  }
  if (directory.begin > limit || directory.end > limit - directory.begin)
    damaged_zip("its directory leaves it");
  directory.end += directory.begin;  // was its size
  return directory;
}

/// Returns where the next record begins.
uint64_t ZipReader::read_entry(uint64_t position, uint64_t directory_begin) {
  const auto record = record_at<zip::Central>(archive_, position, archive_.size());
  if (record.signature != zip::kCentralSignature) damaged_zip("a directory entry is none");
  const zip::File& file = record.file;
  position += sizeof record;
  const uint64_t next = position + file.name_length + file.extra_length + record.comment_length;
  if (next > archive_.size()) damaged_zip("a directory entry leaves it");
  const std::string_view name = archive_.substr(position, file.name_length);
  uint64_t size = file.size;
  uint64_t compressed = file.compressed;
  uint64_t offset = record.offset;
  read_zip64(archive_.substr(position + file.name_length, file.extra_length), size, compressed, offset);

  // The local record's lengths differ from those here, and only they say where the data begin.
  const auto local = record_at<zip::Local>(archive_, offset, directory_begin);
  if (local.signature != zip::kLocalSignature) damaged_zip("a file's record is none");
  const uint64_t begin = offset + sizeof local + local.file.name_length + local.file.extra_length;
  if (begin > directory_begin || compressed > directory_begin - begin) damaged_zip("a file leaves it");

  const bool readable =
      file.method == zip::kStored && (file.flags & zip::kEncryptedFlag) == 0 && compressed == size;
  const Entry entry{.data = archive_.substr(begin, compressed), .crc = file.crc, .readable = readable};
  if (!entries_.emplace(name, entry).second) damaged_zip("it has two files of one name");
  return next;
}

/// Many files could otherwise share the same bytes, and each would have its CRC computed.
void ZipReader::refuse_overlaps() const {
  std::vector<std::string_view> parts;
  for (const auto& [name, entry] : entries_) parts.push_back(entry.data);
  std::sort(parts.begin(), parts.end(), [](auto a, auto b) { return a.data() < b.data(); });
  for (size_t i = 1; i < parts.size(); ++i) {
    if (parts[i - 1].data() + parts[i - 1].size() > parts[i].data()) damaged_zip("two files in it overlap");
  }
}

}  // namespace rcnn::io
