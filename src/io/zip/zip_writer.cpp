#include "io/zip/zip_writer.h"

#include <algorithm>
#include <initializer_list>
#include <limits>

#include <libdeflate.h>

#include "io/zip/zip_format.h"

namespace rcnn::io {
namespace {

constexpr uint64_t kDataAlignment = 64;
constexpr uint16_t kPaddingExtra = 0x4246;  // "FB", as torch has it
constexpr uint16_t kZip64Version = 45;

template <class Record>
std::string_view bytes_of(const Record& record) {
  return {reinterpret_cast<const char*>(&record), sizeof record};
}

/// The largest value of a field says that the true one stands in a zip64 record.
template <class Field>
Field saturated(uint64_t value) {
  return static_cast<Field>(std::min<uint64_t>(value, std::numeric_limits<Field>::max()));
}

/// The zip64 record of those values that their fields cannot hold; empty without any.
std::string zip64_extra(std::initializer_list<uint64_t> values) {
  std::string data;
  for (const uint64_t value : values) {
    if (value >= UINT32_MAX) data += bytes_of(value);
  }
  if (data.empty()) return {};
  const zip::ExtraHeader header{.id = zip::kZip64Extra, .size = static_cast<uint16_t>(data.size())};
  return std::string(bytes_of(header)) + data;
}

/// A record of padding after which the position is a multiple of 64.
std::string padding_extra(uint64_t position) {
  const uint64_t end =
      (position + sizeof(zip::ExtraHeader) + kDataAlignment - 1) / kDataAlignment * kDataAlignment;
  const auto size = static_cast<uint16_t>(end - position - sizeof(zip::ExtraHeader));
  return std::string(bytes_of(zip::ExtraHeader{.id = kPaddingExtra, .size = size})) + std::string(size, 'Z');
}

}  // namespace

void ZipWriter::add(std::string_view name, std::string_view data) {
  const uint64_t offset = position_;
  const auto size = saturated<uint32_t>(data.size());
  zip::Local local{.file = {.version = kZip64Version,
                            .flags = zip::kUtf8Flag,
                            .crc = libdeflate_crc32(0, data.data(), data.size()),
                            .compressed = size,
                            .size = size,
                            .name_length = static_cast<uint16_t>(name.size())}};
  std::string extra = zip64_extra({data.size(), data.size()});
  extra += padding_extra(offset + sizeof local + name.size() + extra.size());
  local.file.extra_length = static_cast<uint16_t>(extra.size());
  for (const auto part : {bytes_of(local), name, std::string_view(extra), data}) write(part);

  zip::Central central{.made_by = kZip64Version, .file = local.file, .offset = saturated<uint32_t>(offset)};
  const std::string central_extra = zip64_extra({data.size(), data.size(), offset});
  central.file.extra_length = static_cast<uint16_t>(central_extra.size());
  directory_.append(bytes_of(central)).append(name).append(central_extra);
  ++entries_;
}

void ZipWriter::finish() {
  zip::End64 end64;
  end64.entries = end64.entries_on_disk = entries_;
  end64.directory_size = directory_.size();
  end64.directory_offset = position_;
  zip::End64Locator locator;
  locator.end64_offset = position_ + directory_.size();
  zip::End end;
  end.entries = end.entries_on_disk = saturated<uint16_t>(entries_);
  end.directory_size = saturated<uint32_t>(end64.directory_size);
  end.directory_offset = saturated<uint32_t>(end64.directory_offset);
  for (const auto part : {std::string_view(directory_), bytes_of(end64), bytes_of(locator), bytes_of(end)})
    write(part);
}

void ZipWriter::write(std::string_view bytes) {
  out_.write(bytes);
  position_ += bytes.size();
}

}  // namespace rcnn::io
