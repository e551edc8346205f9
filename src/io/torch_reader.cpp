#include "io/torch_reader.h"

#include <algorithm>
#include <cstring>
#include <string>

#include <spdlog/fmt/fmt.h>

#include "io/element_types.h"
#include "io/refusal.h"
#include "io/tensor_reader.h"
#include "io/weight_root.h"
#include "io/weight_tree.h"
#include "io/zip/zip_reader.h"

namespace rcnn::io {
namespace {

using pickle::get;
using pickle::Value;

WeightFile read_tree_of(const Memory& file, WeightFile::Format format, const pickle::Pickle& content,
                        Averages averages, TensorReader::FindStorage find_storage) {
  WeightFile weights;
  weights.format = format;
  TensorReader reader(file, std::move(find_storage));
  read_tree(*content.root, reader, file.size, averages, weights);
  return weights;
}

/// The folder that all files of the archive lie in, "archive/" or "model/"; none in archives packed by hand.
std::string find_folder(const ZipReader& archive) {
  constexpr std::string_view kPickle = "data.pkl";
  for (const auto& [name, entry] : archive.entries()) {
    const size_t slash = name.find('/');
    if (slash != std::string_view::npos && name.substr(slash + 1) == kPickle) {
      return std::string(name.substr(0, slash + 1));
    }
  }
  if (archive.entries().contains(kPickle)) return {};
  throw Refusal("is a zip archive that torch.save has not written: it has no data.pkl");
}

void refuse_torchscript(const ZipReader& archive, const std::string& folder) {
  const bool code = std::any_of(archive.entries().begin(), archive.entries().end(),
                                [&](const auto& entry) { return entry.first.starts_with(folder + "code/"); });
  if (!code && !archive.entries().contains(folder + "constants.pkl")) return;
  throw Refusal(
      "is a TorchScript archive, which is a program; save its weights alone: "
      "torch.save(torch.jit.load(file).state_dict(), other_file)");
}

// The legacy format

/// What follows the pickles: for each storage its number of elements and its bytes. Their types are known
/// from the pickle alone.
class LegacyStorages {
 public:
  LegacyStorages(std::string_view bytes, const pickle::Pickle& content, const Value& keys) : rest_(bytes) {
    std::map<std::string_view, std::string_view> types;
    for (const auto& storage : content.storages) types.emplace(storage.key, storage.type);
    const auto* list = get<pickle::List>(keys);
    if (list == nullptr) throw Refusal("its list of storages is none: it is damaged");
    for (const Value* key : list->items) {
      const auto* text = get<pickle::Text>(*key);
      const auto type = text != nullptr ? types.find(text->bytes) : types.end();
      if (type == types.end()) throw Refusal("it lists a storage that no tensor has: it is damaged");
      if (!storages_.emplace(text->bytes, next(type->second)).second) {
        throw Refusal("it lists a storage twice: it is damaged");
      }
    }
    if (!rest_.empty()) throw Refusal(fmt::format("{} bytes follow its last storage", rest_.size()));
  }

  std::string_view find(std::string_view key) const {
    const auto found = storages_.find(key);
    if (found == storages_.end()) throw Refusal(fmt::format("its storage {} is missing", excerpt(key)));
    return found->second;
  }

 private:
  std::string_view next(std::string_view type) {
    const auto element = element_size_of_storage(type);
    if (!element) throw Refusal(fmt::format("storage type {} is not supported", excerpt(type)));
    int64_t count = 0;
    if (rest_.size() < sizeof count) throw Refusal("ends before its last storage: it is cut short");
    std::memcpy(&count, rest_.data(), sizeof count);
    rest_.remove_prefix(sizeof count);
    if (count < 0 || static_cast<uint64_t>(count) > rest_.size() / *element) {
      throw Refusal("ends within a storage: it is damaged or cut short");
    }
    const auto bytes = rest_.substr(0, static_cast<uint64_t>(count) * *element);
    rest_.remove_prefix(bytes.size());
    return bytes;
  }

  std::string_view rest_;
  std::map<std::string_view, std::string_view> storages_;
};

}  // namespace

WeightFile read_torch_zip(const Memory& file, Averages averages) {
  const ZipReader archive(file.view());
  const std::string folder = find_folder(archive);
  refuse_torchscript(archive, folder);
  if (const auto order = archive.entries().find(folder + "byteorder"); order != archive.entries().end()) {
    if (archive.read(order->first) != "little")
      throw Refusal("is in big-endian byte order, which is not supported");
  }
  const pickle::Pickle content = pickle::load(archive.read(folder + "data.pkl"));
  return read_tree_of(file, WeightFile::Format::torch_zip, content, averages,
                      [&](const pickle::Storage& storage) {
                        return archive.read(fmt::format("{}data/{}", folder, storage.key));
                      });
}

WeightFile read_torch_legacy(const Memory& file, Averages averages) {
  std::string_view rest = file.view();
  const auto next = [&] {
    pickle::Pickle pickle = pickle::load(rest);
    rest.remove_prefix(pickle.size);
    return pickle;
  };
  next();  // the magic number
  const auto version = next();
  const auto* number = get<int64_t>(*version.root);
  if (number == nullptr || *number != 1001)
    throw Refusal("is in an unknown version of torch's legacy format");
  const auto system = next();
  const auto* about = get<pickle::Dict>(*system.root);
  const Value* const little = about != nullptr ? find_key(*about, "little_endian") : nullptr;
  if (little == nullptr || get<bool>(*little) == nullptr)
    throw Refusal("does not say its byte order: it is damaged");
  if (!*get<bool>(*little)) throw Refusal("is in big-endian byte order, which is not supported");
  const auto content = next();
  const auto keys = next();
  const LegacyStorages storages(rest, content, *keys.root);
  return read_tree_of(file, WeightFile::Format::torch_legacy, content, averages,
                      [&](const pickle::Storage& storage) { return storages.find(storage.key); });
}

WeightFile read_numpy_pickle(const Memory& file, const pickle::Pickle& content, Averages averages) {
  if (content.size != file.size)
    throw Refusal(fmt::format("{} bytes follow its pickle", file.size - content.size));
  return read_tree_of(file, WeightFile::Format::numpy_pickle, content, averages,
                      [](const pickle::Storage&) -> std::string_view {
                        throw Refusal("it is a torch tensor, whose data this file does not have");
                      });
}

bool is_legacy_magic(const Value& value) {
  constexpr std::string_view kMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
  const auto* number = get<pickle::LargeInteger>(value);
  return number != nullptr && number->bytes == kMagic;
}

}  // namespace rcnn::io
