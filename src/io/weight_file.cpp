#include "io/weight_file.h"

#include <cstring>
#include <string_view>

#include <spdlog/fmt/fmt.h>

#include <rcnn/io/weight_file.h>

#include "io/caffe/caffe_net.h"
#include "io/caffe_reader.h"
#include "io/files/mapped_file.h"
#include "io/first_bytes.h"
#include "io/pickle/pickle.h"
#include "io/refusal.h"
#include "io/safetensors.h"
#include "io/torch_reader.h"

namespace rcnn::io {
namespace {

/// The length of the header, then the header: less than 4 GiB, and JSON. No other kind begins like that.
bool is_safetensors(std::string_view file) {
  uint64_t header_size = 0;
  if (file.size() <= sizeof header_size) return false;
  std::memcpy(&header_size, file.data(), sizeof header_size);
  return header_size <= UINT32_MAX && file[sizeof header_size] == '{';
}

/// Protocol 2 and later say so. Earlier ones begin with the dict: MARK DICT or EMPTY_DICT and what keeps it
/// in the memo, or an OrderedDict's name.
bool is_pickle(std::string_view file) {
  if (file.size() >= 2 && file[0] == '\x80') return file[1] >= 2 && file[1] <= 5;
  for (const char* begin : {"(dp", "(d.", "}q", "}r", "}(", "ccollections\n"}) {
    if (file.starts_with(begin)) return true;
  }
  return false;
}

WeightFile read_pickles(const Memory& file, Averages averages) {
  const pickle::Pickle first = pickle::load(file.view());
  if (is_legacy_magic(*first.root)) return read_torch_legacy(file, averages);
  return read_numpy_pickle(file, first, averages);
}

WeightFile of_safetensors(SafeTensors content) {
  WeightFile file;
  file.tensors = std::move(content.tensors);
  file.metadata = std::move(content.metadata);
  return file;
}

}  // namespace

WeightFile parse_weight_file(const Memory& file, Averages averages) {
  const std::string_view bytes = file.view();
  if (is_safetensors(bytes)) return of_safetensors(parse_safetensors(file));
  const bool zip = bytes.starts_with("PK\3\4"), pickle = is_pickle(bytes);
  if (!zip && !pickle && !caffe::is_net(bytes)) throw Refusal(describe_first_bytes(bytes));
  read_in(file);
  if (zip) return read_torch_zip(file, averages);
  return pickle ? read_pickles(file, averages) : read_caffe(file);
}

WeightFile read_weight_file(const std::filesystem::path& file, Averages averages) {
  try {
    return parse_weight_file(map_file(file), averages);
  } catch (const Refusal& refusal) {
    throw WeightsError(fmt::format("{}: {}", file.string(), refusal.what()));
  }
}

}  // namespace rcnn::io
