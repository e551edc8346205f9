#pragma once

#include <cstdint>

namespace rcnn::io::zip {

// The records of a zip file (PKWARE's APPNOTE.TXT), little-endian and without padding. What is too large for
// a field of the first three is all ones there, and stands in a record of zip64.

constexpr uint32_t kLocalSignature = 0x04034b50;
constexpr uint32_t kCentralSignature = 0x02014b50;
constexpr uint32_t kEndSignature = 0x06054b50;
constexpr uint32_t kEnd64Signature = 0x06064b50;
constexpr uint32_t kEnd64LocatorSignature = 0x07064b50;
constexpr uint16_t kZip64Extra = 1;
constexpr uint16_t kStored = 0;  // the method of what is not compressed
constexpr uint16_t kEncryptedFlag = 1;
constexpr uint16_t kUtf8Flag = 1 << 11;

#pragma pack(push, 1)

/// What both records of a file say of it.
struct File {
  uint16_t version = 0;
  uint16_t flags = 0;
  uint16_t method = 0;
  uint16_t time = 0;
  uint16_t date = 0;
  uint32_t crc = 0;
  uint32_t compressed = 0;
  uint32_t size = 0;
  uint16_t name_length = 0;
  uint16_t extra_length = 0;
};

/// Before each file's data.
struct Local {
  uint32_t signature = kLocalSignature;
  File file;
};

/// One a file in the central directory, which lies behind the last file.
struct Central {
  uint32_t signature = kCentralSignature;
  uint16_t made_by = 0;
  File file;
  uint16_t comment_length = 0;
  uint16_t disk = 0;
  uint16_t internal_attributes = 0;
  uint32_t external_attributes = 0;
  uint32_t offset = 0;
};

/// The last bytes of the file.
struct End {
  uint32_t signature = kEndSignature;
  uint16_t disk = 0;
  uint16_t directory_disk = 0;
  uint16_t entries_on_disk = 0;
  uint16_t entries = 0;
  uint32_t directory_size = 0;
  uint32_t directory_offset = 0;
  uint16_t comment_length = 0;
};

struct End64 {
  uint32_t signature = kEnd64Signature;
  uint64_t rest = 44;  // the bytes that follow this field
  uint16_t made_by = 45;
  uint16_t version = 45;
  uint32_t disk = 0;
  uint32_t directory_disk = 0;
  uint64_t entries_on_disk = 0;
  uint64_t entries = 0;
  uint64_t directory_size = 0;
  uint64_t directory_offset = 0;
};

/// Directly before End.
struct End64Locator {
  uint32_t signature = kEnd64LocatorSignature;
  uint32_t disk = 0;
  uint64_t end64_offset = 0;
  uint32_t disks = 1;
};

struct ExtraHeader {
  uint16_t id = 0;
  uint16_t size = 0;
};

#pragma pack(pop)

static_assert(sizeof(Local) == 30 && sizeof(Central) == 46 && sizeof(End) == 22 && sizeof(End64) == 56 &&
              sizeof(End64Locator) == 20);

}  // namespace rcnn::io::zip
