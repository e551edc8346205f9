#include "io/first_bytes.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include <spdlog/fmt/fmt.h>

#include "io/refusal.h"

namespace rcnn::io {
namespace {

using namespace std::string_view_literals;

struct Kind {
  std::string_view begin;
  std::string_view what;
};

constexpr std::string_view kWebPage =
    "is a web page (HTML or XML) in the place of a file: a download that failed; fetch it again";

constexpr std::array kKinds = {
    Kind{"\xff\xd8\xff"sv, "is a JPEG image"},
    Kind{"\x89PNG"sv, "is a PNG image"},
    Kind{"version https://git-lfs"sv,
         "is a Git LFS pointer, not the file that it stands for; fetch that with: git lfs pull"},
    Kind{"\x1f\x8b"sv, "is compressed with gzip; unpack it first"},
    Kind{"BZh"sv, "is compressed with bzip2; unpack it first"},
    Kind{"\xfd\x37zXZ"sv, "is compressed with xz; unpack it first"},
    Kind{"\x28\xb5\x2f\xfd"sv, "is compressed with zstd; unpack it first"},
    Kind{"7z\xbc\xaf"sv, "is a 7z archive; unpack it first"},
    Kind{"\x89HDF"sv, "is an HDF5 file (Keras, Caffe's .h5), which is not supported"},
    Kind{"name: \""sv,
         "is a network's description as text (.prototxt); its weights are in the .caffemodel beside it"},
    Kind{"\x93NUMPY"sv, "is a single numpy array, without names; save a dict of arrays with pickle"},
    Kind{"GGUF"sv, "is a GGUF file, which is not supported"},
    Kind{"\x7f"
         "ELF"sv,
         "is a program"},
};

bool begins_as_page(std::string_view file) {
  const size_t begin = file.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  return begin != std::string_view::npos && file[begin] == '<';
}

bool is_tar(std::string_view file) {
  constexpr size_t kMagic = 257;
  return file.size() > kMagic && file.substr(kMagic).starts_with("ustar");
}

/// Protocol buffers without a magic number: field 1, the version of the format, then field 2 or 3 or 7.
bool is_onnx(std::string_view file) {
  return file.size() > 3 && file[0] == 8 && file[1] > 0 && file[1] < 32 &&
         (file[2] == 0x12 || file[2] == 0x1a || file[2] == 0x3a);
}

}  // namespace

std::string known_first_bytes(std::string_view file) {
  for (const auto& [begin, what] : kKinds) {
    if (file.starts_with(begin)) return std::string(what);
  }
  if (begins_as_page(file)) return std::string(kWebPage);
  if (is_tar(file)) {
    return "is a tar archive: unpack it first; or, where torch before 0.1.10 has written it, load it with "
           "Python and "
           "save it again";
  }
  if (is_onnx(file)) return "is an ONNX model, which is not supported; save the weights with torch.save";
  const auto head = file.substr(0, 4096);
  if (std::all_of(head.begin(), head.end(), [](char c) { return c == 0; })) {
    return "begins with zeros alone: a copy or a download that was interrupted; fetch it again";
  }
  return "";
}

std::string shown_first_bytes(std::string_view file) {
  const auto first = file.substr(0, 16);
  const bool text = std::all_of(first.begin(), first.end(), [](char c) {
    return (c >= ' ' && c <= '~') || c == '\n' || c == '\r' || c == '\t';
  });
  if (text) return fmt::format("begins with the text \"{}\"", excerpt(first));
  std::string bytes;
  for (const char c : first)
    bytes += fmt::format("{}{:02x}", bytes.empty() ? "" : " ", static_cast<uint8_t>(c));
  return fmt::format("begins with the bytes {}", bytes);
}

std::string describe_first_bytes(std::string_view file) {
  const auto known = known_first_bytes(file);
  return known.empty() ? "is no weight file: it " + shown_first_bytes(file) : known;
}

}  // namespace rcnn::io
