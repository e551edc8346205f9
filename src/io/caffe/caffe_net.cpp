#include "io/caffe/caffe_net.h"

#include <algorithm>
#include <climits>
#include <set>
#include <utility>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <spdlog/fmt/ranges.h>

#include "io/caffe/caffe.pb.h"
#include "io/refusal.h"
#include "utf8.h"

namespace rcnn::io::caffe {
namespace {

using google::protobuf::RepeatedField;
using google::protobuf::internal::WireFormatLite;

// Networks have some hundreds of layers, and Caffe's blobs 32 axes at most.
constexpr size_t kMaxLayers = 100'000, kMaxBlobs = 100'000, kMaxName = 1000;
constexpr int kMaxAxes = 32;
// NetParameter's fields beside the layers have numbers up to this one; a fork's own come before or after all.
constexpr int kLastFieldOfNet = 8;

constexpr const char* kDamaged = "is damaged or cut short: fetch it again";

struct Field {
  int number = 0;
  std::string_view bytes;  ///< of a text, a message or packed numbers; empty for a single number
};

/// Calls see(Field) for the fields of a message, in their order.
template <class See>
void for_each_field(std::string_view message, See see) {
  const auto size = static_cast<int>(message.size());
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(message.data()), size);
  while (const uint32_t tag = in.ReadTag()) {
    Field field{.number = WireFormatLite::GetTagFieldNumber(tag), .bytes = {}};
    if (WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      uint32_t length = 0;
      if (field.number == 0 || !in.ReadVarint32(&length)) throw Refusal(kDamaged);
      const int begin = in.CurrentPosition();
      if (length > static_cast<uint32_t>(size - begin) || !in.Skip(static_cast<int>(length)))
        throw Refusal(kDamaged);
      field.bytes = message.substr(static_cast<size_t>(begin), length);
    } else if (!WireFormatLite::SkipField(&in, tag)) {
      throw Refusal(kDamaged);
    }
    see(field);
  }
  if (!in.ConsumedEntireMessage()) throw Refusal(kDamaged);
}

std::vector<int64_t> shape_of(const proto::BlobProto& blob) {
  if (blob.has_num() || blob.has_channels() || blob.has_height() || blob.has_width())
    return {blob.num(), blob.channels(), blob.height(), blob.width()};
  const auto& sizes = blob.shape().dim();
  if (sizes.size() > kMaxAxes) throw Refusal(fmt::format("has {} axes, more than Caffe knows", sizes.size()));
  return {sizes.begin(), sizes.end()};
}

void check_count(const std::vector<int64_t>& shape, int64_t values) {
  int64_t count = 1;
  const bool overflows = std::ranges::any_of(
      shape, [&](int64_t size) { return size < 0 || __builtin_mul_overflow(count, size, &count); });
  if (overflows || count != values)
    throw Refusal(fmt::format("{} values do not make the shape [{}]", values, fmt::join(shape, ", ")));
}

template <class T>
std::shared_ptr<void> keep(RepeatedField<T>&& values) {
  const auto kept = std::make_shared<RepeatedField<T>>(std::move(values));
  return {kept, kept->mutable_data()};
}

Blob read_blob(std::string_view bytes) {
  proto::BlobProto message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) throw Refusal(kDamaged);
  Blob blob;
  blob.shape = shape_of(message);
  blob.is_double = message.double_data_size() > 0;
  check_count(blob.shape, blob.is_double ? message.double_data_size() : message.data_size());
  blob.values = blob.is_double ? keep(std::move(*message.mutable_double_data()))
                               : keep(std::move(*message.mutable_data()));
  return blob;
}

/// What a layer's fields are numbered in one of the formats.
struct LayerFields {
  int name, blobs;
};
constexpr LayerFields kV0 = {proto::V0LayerParameter::kNameFieldNumber,
                             proto::V0LayerParameter::kBlobsFieldNumber};
constexpr LayerFields kV1 = {proto::V1LayerParameter::kNameFieldNumber,
                             proto::V1LayerParameter::kBlobsFieldNumber};
constexpr LayerFields kLayer = {proto::LayerParameter::kNameFieldNumber,
                                proto::LayerParameter::kBlobsFieldNumber};

class Reader {
 public:
  Net read(std::string_view file) {
    for_each_field(file, [&](const Field& field) {
      switch (field.number) {
        case proto::NetParameter::kNameFieldNumber:
          if (is_utf8(field.bytes)) net_.name = field.bytes.substr(0, kMaxName);
          return;
        case proto::NetParameter::kLayersFieldNumber:
          return read_numbered_layer(field.bytes, kV1);
        case proto::NetParameter::kLayerFieldNumber:
          return read_numbered_layer(field.bytes, kLayer);
        default:
          // protobuf writes fields by their numbers: what else follows the layers was not written with them.
          if (layers_ > 0 && field.number > kLastFieldOfNet &&
              field.number < proto::NetParameter::kLayerFieldNumber)
            throw Refusal(fmt::format("has what is no layer behind layer {}: it is damaged", layers_));
      }
    });
    if (net_.blobs.empty()) throw Refusal("is a .caffemodel without weights");
    return std::move(net_);
  }

 private:
  void read_numbered_layer(std::string_view bytes, const LayerFields& fields) {
    if (++layers_ > kMaxLayers) throw Refusal("has too many layers");
    read_layer(bytes, fields);
  }

  void read_layer(std::string_view bytes, const LayerFields& fields) {
    std::string_view name, inner;
    std::vector<std::string_view> blobs;
    for_each_field(bytes, [&](const Field& field) {
      if (field.number == fields.name) name = field.bytes;
      if (field.number == fields.blobs) {
        if (net_.blobs.size() + blobs.size() == kMaxBlobs) throw Refusal("has too many arrays of weights");
        blobs.push_back(field.bytes);
      }
      if (&fields == &kV1 && field.number == proto::V1LayerParameter::kLayerFieldNumber) inner = field.bytes;
    });
    if (!inner.empty()) read_layer(inner, kV0);
    if (blobs.empty()) return;
    if (name.empty()) throw Refusal(fmt::format("its layer {} has weights and no name", layers_));
    if (!is_utf8(name) || name.size() > kMaxName)
      throw Refusal(fmt::format("the name of a layer is not UTF-8, or too long: {}", excerpt(name)));
    if (!names_.insert(name).second)
      throw Refusal(fmt::format("two of its layers with weights are called {}", excerpt(name)));
    for (size_t i = 0; i < blobs.size(); ++i) add(name, static_cast<int64_t>(i), blobs[i]);
  }

  void add(std::string_view layer, int64_t number, std::string_view bytes) {
    try {
      auto blob = read_blob(bytes);
      blob.layer = layer;
      blob.number = number;
      net_.blobs.push_back(std::move(blob));
    } catch (const Refusal& refusal) {
      throw Refusal(fmt::format("layer {}: blob {}: {}", excerpt(layer), number, refusal.what()));
    }
  }

  Net net_;
  size_t layers_ = 0;
  std::set<std::string_view> names_;
};

}  // namespace

bool is_net(std::string_view file) {
  using namespace std::string_view_literals;
  constexpr auto kName = "\x0a"sv, kInput = "\x1a"sv, kLayersTag = "\x12"sv, kLayerTag = "\xa2\x06"sv;
  if (file.starts_with(kName) && file.size() > 2) {
    const size_t length = static_cast<uint8_t>(file[1]);  // of a longer name, more than a byte
    const auto name = file.substr(2, length);
    const bool text = std::ranges::all_of(name, [](char c) { return static_cast<uint8_t>(c) >= ' '; });
    if (length > CHAR_MAX || !text) return false;  // a message: a graph of TensorFlow's
    file.remove_prefix(2 + name.size());
    if (file.starts_with(kInput)) return true;
  }
  return file.starts_with(kLayersTag) || file.starts_with(kLayerTag);
}

Net read_net(std::string_view file) {
  if (file.size() > INT_MAX) throw Refusal("is a .caffemodel of 2 GiB or more, which protobuf does not read");
  return Reader().read(file);
}

}  // namespace rcnn::io::caffe
