#include <array>
#include <bit>
#include <chrono>
#include <filesystem>
#include <string_view>
#include <system_error>

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <rcnn/error.h>
#include <rcnn/train/event_file.h>
#include <rcnn/train/run_lock.h>

namespace rcnn::train {
namespace {

/// CRC-32C (Castagnoli), by bytes.
constexpr auto kCrcTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
    table[i] = crc;
  }
  return table;
}();

/// TFRecord's: rotated and shifted, since a CRC of data that holds its own CRC tells little.
uint32_t masked_crc(std::string_view bytes) {
  uint32_t crc = ~0u;
  for (const char byte : bytes) crc = crc >> 8 ^ kCrcTable[(crc ^ static_cast<uint8_t>(byte)) & 0xFF];
  return std::rotr(~crc, 15) + 0xA282EAD8u;
}

/// The bytes of a number, lowest first.
template <class Unsigned>
void append_fixed(std::string& bytes, Unsigned value) {
  for (size_t i = 0; i < sizeof(value); ++i) bytes += static_cast<char>(value >> 8 * i & 0xFF);
}

// Fields of a protobuf message: a number and the kind of what follows, then that.
enum class Wire { varint, fixed64, bytes, fixed32 = 5 };

void append_varint(std::string& message, uint64_t value) {
  for (; value > 0x7F; value >>= 7) message += static_cast<char>(value | 0x80);
  message += static_cast<char>(value);
}

void append_key(std::string& message, int field, Wire wire) {
  append_varint(message, static_cast<uint64_t>(field) << 3 | static_cast<uint64_t>(wire));
}

void append_bytes(std::string& message, int field, std::string_view bytes) {
  append_key(message, field, Wire::bytes);
  append_varint(message, bytes.size());
  message += bytes;
}

/// The beginning of an Event: double wall_time = 1; int64 step = 2.
std::string event_at(double wall_time, int64_t step) {
  std::string event;
  append_key(event, 1, Wire::fixed64);
  append_fixed(event, std::bit_cast<uint64_t>(wall_time));
  append_key(event, 2, Wire::varint);
  append_varint(event, static_cast<uint64_t>(step));
  return event;
}

}  // namespace

EventFile::EventFile(const std::filesystem::path& folder) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  int count = 0;
  std::error_code ignored;  // what cannot be looked at cannot be written either
  do {
    path_ = folder /
            fmt::format("events.out.tfevents.{:010}.{}.{}.{}", seconds, RunLock::host(), getpid(), count++);
  } while (std::filesystem::exists(path_, ignored));
  stream_.open(path_, std::ios::binary);
  auto event = event_at(static_cast<double>(seconds), 0);
  append_bytes(event, 3, "brain.Event:2");  // file_version
  write_record(event);
}

void EventFile::add_scalars(int64_t step, double wall_time, std::span<const Scalar> scalars) {
  std::string summary;
  for (const auto& [tag, number] : scalars) {
    std::string value;
    append_bytes(value, 1, tag);
    append_key(value, 2, Wire::fixed32);  // simple_value
    append_fixed(value, std::bit_cast<uint32_t>(number));
    append_bytes(summary, 1, value);
  }
  auto event = event_at(wall_time, step);
  append_bytes(event, 5, summary);
  write_record(event);
}

void EventFile::restart_at(int64_t step, double wall_time) {
  std::string session_log;
  append_key(session_log, 1, Wire::varint);
  append_varint(session_log, 1);  // status: START
  auto event = event_at(wall_time, step);
  append_bytes(event, 7, session_log);
  write_record(event);
}

void EventFile::write_record(const std::string& event) {
  std::string record;
  append_fixed(record, uint64_t{event.size()});
  append_fixed(record, masked_crc(record));
  record += event;
  append_fixed(record, masked_crc(event));
  stream_ << record << std::flush;
  if (!stream_) throw DataError(fmt::format("{}: cannot be written; is the disk full?", path_.string()));
}

}  // namespace rcnn::train
