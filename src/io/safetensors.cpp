#include "io/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include <ATen/ATen.h>
#include <spdlog/fmt/fmt.h>

#include <rcnn/io/safetensors.h>

#include "io/element_types.h"
#include "io/files/atomic_writer.h"
#include "io/files/checksum.h"
#include "io/raw_tensor.h"
#include "io/refusal.h"
#include "strict_json.h"

namespace rcnn::io {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr uint64_t kMaxHeader = 100'000'000;
constexpr size_t kHeaderAlignment = 8;
constexpr const char* kMetadata = "__metadata__";

/// A tensor as the header describes it, once that is known to be possible.
struct Entry {
  std::string name;
  at::ScalarType type;
  std::vector<int64_t> shape;
  uint64_t begin;
  uint64_t end;
};

/// The list of integers from 0 on under `key`, if it is one.
std::optional<std::vector<int64_t>> sizes(const Json& json, const char* key) {
  const auto list = json.find(key);
  if (list == json.end() || !list->is_array()) return std::nullopt;
  const auto is_size = [](const Json& value) {
    return value.is_number_integer() && value.get<int64_t>() >= 0;
  };
  if (!std::all_of(list->begin(), list->end(), is_size)) return std::nullopt;
  return list->get<std::vector<int64_t>>();
}

Entry parse_entry(const std::string& name, const Json& json, uint64_t data_size) {
  const auto refuse = [&](const std::string& why) {
    throw Refusal(fmt::format("tensor {}: {}", excerpt(name), why));
  };
  const auto dtype = json.is_object() ? json.value("dtype", Json()) : Json();
  const auto shape = sizes(json, "shape");
  const auto offsets = sizes(json, "data_offsets");
  if (!dtype.is_string() || !shape || !offsets || offsets->size() != 2) {
    refuse("the header must give its dtype, shape and two data_offsets");
  }
  const auto type = type_of(&ElementType::safetensors, dtype.get_ref<const std::string&>());
  if (!type) refuse(fmt::format("dtype {} is not supported", dtype.dump()));

  const uint64_t begin = offsets->front();
  const uint64_t end = offsets->back();
  if (begin > end || end > data_size) {
    refuse(fmt::format("its data lies at [{}, {}) of {} bytes: the file is damaged or cut short", begin, end,
                       data_size));
  }
  if (count_bytes(*shape, *type) != end - begin) {
    refuse(fmt::format("{} bytes of data do not make {} of shape {}", end - begin,
                       dtype.get_ref<const std::string&>(), json.at("shape").dump()));
  }
  return {name, *type, *shape, begin, end};
}

/// The tensors in the order of their data, which must cover the whole without a hole or an overlap.
std::vector<Entry> parse_entries(const Json& header, uint64_t data_size) {
  std::vector<Entry> entries;
  for (const auto& [name, json] : header.items()) {
    if (name != kMetadata) entries.push_back(parse_entry(name, json, data_size));
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t covered = 0;
  for (const auto& entry : entries) {
    if (entry.begin != covered) {
      throw Refusal(fmt::format("tensor {}: its data begins at byte {}, that before it ends at {}",
                                excerpt(entry.name), entry.begin, covered));
    }
    covered = entry.end;
  }
  if (covered != data_size) throw Refusal(fmt::format("the tensors take {} of {} bytes", covered, data_size));
  return entries;
}

std::map<std::string, std::string> parse_metadata(const Json& header) {
  const auto found = header.find(kMetadata);
  if (found == header.end()) return {};
  const bool texts = std::all_of(found->begin(), found->end(), [](const Json& v) { return v.is_string(); });
  if (!found->is_object() || !texts) throw Refusal("__metadata__ must be an object of strings");
  return *found;
}

Json parse_header(std::string_view text) {
  try {
    return parse_json<Json>(text, {.max_depth = 3});
  } catch (const JsonError& error) {
    throw Refusal(fmt::format("header: {}", excerpt(error.what())));
  }
}

bool is_well_formed(std::string_view checksum) {
  const auto hexadecimal = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return checksum.starts_with(Checksum::kPrefix) &&
         checksum.size() == Checksum::kPrefix.size() + Checksum::kDigits &&
         std::all_of(checksum.begin() + Checksum::kPrefix.size(), checksum.end(), hexadecimal);
}

/// Whether the file is the one that `value`, which is well formed, was computed of.
bool matches(std::string_view file, std::string_view header, std::string_view key, std::string_view value) {
  const auto found = find_checksum_digits(header, key, value);
  if (!found) return false;
  const size_t begin = header.data() + *found - file.data();
  Checksum checksum;
  checksum.add(file.substr(0, begin));
  checksum.add(Checksum::kZeros);
  checksum.add(file.substr(begin + Checksum::kDigits));
  return value.ends_with(checksum.digits());
}

/// The checksum leaves the metadata: it is about this file, not about what the file holds.
void verify_checksum(std::string_view file, std::string_view header,
                     std::map<std::string, std::string>& metadata) {
  const auto refuse = [](std::string_view key) {
    throw Refusal(fmt::format(
        "its checksum does not match: the file is damaged, or another program has changed it; fetch "
        "it again, or, where the change was meant, remove \"{}\" from its metadata",
        key));
  };
  if (const auto entry = metadata.extract(std::string(Checksum::kKey))) {
    if (!is_well_formed(entry.mapped())) throw Refusal("its checksum is malformed: the file is damaged");
    if (!matches(file, header, Checksum::kKey, entry.mapped())) refuse(Checksum::kKey);
    return;
  }
  // Anybody may call something a checksum. It is that of rcnn 0.1.0 where it proves right, and has to be
  // right where the file says that rcnn wrote it.
  const auto old = metadata.find(std::string(Checksum::kOldKey));
  if (old == metadata.end() || !is_well_formed(old->second)) return;
  const bool right = matches(file, header, Checksum::kOldKey, old->second);
  if (!right && metadata.contains("rcnn_version")) refuse(Checksum::kOldKey);
  if (right) metadata.erase(old);
}

}  // namespace

SafeTensors parse_safetensors(const Memory& file) {
  const std::string_view bytes = file.view();
  uint64_t header_size = 0;
  if (bytes.size() < sizeof header_size) throw Refusal("is too short for a safetensors file");
  std::memcpy(&header_size, bytes.data(), sizeof header_size);
  if (header_size > kMaxHeader) {
    throw Refusal(
        fmt::format("is no safetensors file: its first 8 bytes claim a header of {} bytes", header_size));
  }
  if (header_size > bytes.size() - sizeof header_size) {
    throw Refusal("ends within its header: it is cut short");
  }
  const std::string_view text = bytes.substr(sizeof header_size, header_size);
  const std::string_view data = bytes.substr(sizeof header_size + header_size);
  if (!text.starts_with('{')) throw Refusal("is no safetensors file: it has no JSON header");

  const Json header = parse_header(text);
  SafeTensors content{.tensors = {}, .metadata = parse_metadata(header)};
  const auto entries = parse_entries(header, data.size());
  read_in(file);
  verify_checksum(bytes, text, content.metadata);
  for (const auto& entry : entries) {
    try {
      content.tensors.emplace(entry.name, tensor_of(file, data.substr(entry.begin, entry.end - entry.begin),
                                                    entry.shape, entry.type));
    } catch (const Refusal& refusal) {
      throw Refusal(fmt::format("tensor {}: {}", excerpt(entry.name), refusal.what()));
    }
  }
  return content;
}

SafeTensors read_safetensors(const std::filesystem::path& file) {
  try {
    return parse_safetensors(map_file(file));
  } catch (const Refusal& refusal) {
    throw WeightsError(fmt::format("{}: {}", file.string(), refusal.what()));
  }
}

void write_safetensors(const std::filesystem::path& file, const SafeTensors& content) {
  write_safetensors(file, content, FileSystem::real());
}

void write_safetensors(const std::filesystem::path& file, const SafeTensors& content, FileSystem& files) {
  const auto refuse = [&](const std::string& why) {
    throw WeightsError(fmt::format("{}: cannot be written: {}", file.string(), why));
  };
  OrderedJson header = OrderedJson::object();
  auto metadata = content.metadata;
  metadata[std::string(Checksum::kKey)] = fmt::format("{}{}", Checksum::kPrefix, Checksum::kZeros);
  header[kMetadata] = metadata;
  if (content.tensors.contains(kMetadata)) refuse("no tensor can have the name __metadata__");

  std::vector<at::Tensor> tensors;  // in the order of the file
  uint64_t position = 0;
  for (const auto& known : kElementTypes) {
    for (const auto& [name, tensor] : content.tensors) {
      if (tensor.scalar_type() != known.type) continue;
      const uint64_t end = position + tensor.nbytes();
      header[name] = {
          {"dtype", known.safetensors}, {"shape", tensor.sizes().vec()}, {"data_offsets", {position, end}}};
      position = end;
      tensors.push_back(tensor);
    }
  }
  for (const auto& [name, tensor] : content.tensors) {
    if (header.contains(name)) continue;
    refuse(fmt::format("tensor {}: dtype {} is not supported", excerpt(name),
                       at::toString(tensor.scalar_type())));
  }

  std::string text;
  try {
    text = header.dump();
  } catch (const OrderedJson::type_error&) {
    refuse("a name or the metadata is not UTF-8");
  }
  text.resize((text.size() + kHeaderAlignment - 1) / kHeaderAlignment * kHeaderAlignment, ' ');

  const uint64_t header_size = text.size();
  AtomicWriter writer(file, sizeof header_size + header_size + position, files);
  Checksum checksum;
  const auto write = [&](std::string_view bytes) {
    writer.write(bytes);
    checksum.add(bytes);
  };
  write({reinterpret_cast<const char*>(&header_size), sizeof header_size});
  write(text);
  for (const auto& tensor : tensors) {
    write(WrittenTensor(tensor).bytes());  // one at a time, for what lies on a GPU
  }
  const auto digits = find_checksum_digits(text, Checksum::kKey, metadata.at(std::string(Checksum::kKey)));
  writer.overwrite(sizeof header_size + digits.value(), checksum.digits());
  writer.commit();
}

}  // namespace rcnn::io
