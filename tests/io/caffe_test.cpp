#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/io/weight_file.h>

#include "tests/io/weights_support.h"
#include "tests/support/caffe_file.h"
#include "tests/support/message_of.h"

namespace rcnn::io {
namespace {

using namespace rcnn::test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

at::Tensor caffe_weight() {
  return torch::arange(24).to(at::kFloat).view({2, 3, 2, 2});
}

std::vector<std::string> keys_of(const WeightFile& file) {
  std::vector<std::string> keys;
  for (const auto& [name, tensor] : file.tensors) keys.push_back(name);
  return keys;
}

TEST(CaffeModel, EveryFormatIsRead) {
  const auto bias = torch::tensor({0.5f, -1.5f});
  for (const auto format : {CaffeFormat::v0, CaffeFormat::v1, CaffeFormat::now}) {
    const auto file = parse(field(1, "a net") + caffe_layer("data", {}, format) +
                            caffe_layer("rpn_conv/3x3", {caffe_weight(), bias}, format));
    EXPECT_EQ(file.format, WeightFile::Format::caffemodel);
    EXPECT_THAT(file.metadata, ElementsAre(Pair("name", "a net")));
    EXPECT_THAT(keys_of(file), ElementsAre("rpn_conv/3x3.blobs.0", "rpn_conv/3x3.blobs.1"));
    EXPECT_TRUE(same_bits(file.tensors.at("rpn_conv/3x3.blobs.0"), caffe_weight()));
    const auto wanted = format == CaffeFormat::now ? bias : bias.view({1, 1, 1, 2});
    EXPECT_TRUE(same_bits(file.tensors.at("rpn_conv/3x3.blobs.1"), wanted));
  }
}

// tests/oracle/make_weight_files.py
TEST(CaffeModel, WhatGooglesOwnWriterWrote) {
  const auto weight = torch::arange(8).to(at::kFloat).view({2, 1, 2, 2}) / 2;
  for (const char* name : {"v0", "v1", "now"}) {
    const auto file = read_weight_file(weights_fixture(fmt::format("caffemodel/{}.caffemodel", name)));
    EXPECT_EQ(file.format, WeightFile::Format::caffemodel);
    EXPECT_THAT(keys_of(file), ElementsAre("conv1.blobs.0", "conv1.blobs.1"));
    EXPECT_TRUE(same_bits(file.tensors.at("conv1.blobs.0"), weight)) << name;
    const auto bias = file.tensors.at("conv1.blobs.1");
    EXPECT_EQ(bias.scalar_type(), name == std::string("now") ? at::kDouble : at::kFloat);
    EXPECT_TRUE(same_bits(bias.flatten().to(at::kFloat), torch::tensor({1.f, -2.f}))) << name;
  }
}

// As Caffe itself writes and reads them (blob.cpp, Blob::FromProto).
TEST(CaffeModel, BlobsAreReadAsCaffeReadsThem) {
  const auto of_blob = [](const std::string& blob) {
    return parse(field(100, field(1, "a") + field(7, blob))).tensors.at("a.blobs.0");
  };
  const auto doubles = torch::tensor({1e300, -0.0}, at::kDouble);
  EXPECT_TRUE(same_bits(of_blob(caffe_blob(doubles)), doubles));
  // Numbers one by one, and in two packs.
  const auto half = little_endian(std::bit_cast<uint32_t>(0.5f), 4);
  const auto shape = field(7, field(1, varint(2)));
  EXPECT_TRUE(same_bits(of_blob("\x2d" + half + "\x2d" + half + shape), torch::tensor({0.5f, 0.5f})));
  EXPECT_TRUE(same_bits(of_blob(field(5, half) + shape + field(5, half)), torch::tensor({0.5f, 0.5f})));
  // Gradients, and what a fork added, are passed over.
  EXPECT_TRUE(
      same_bits(of_blob(field(6, std::string(800, 'x')) + field(77, "x") + field(5, half + half) + shape),
                torch::tensor({0.5f, 0.5f})));
  EXPECT_EQ(of_blob(field(7, field(1, varint(0) + varint(3)))).sizes(), (std::vector<int64_t>{0, 3}));
  EXPECT_EQ(of_blob(field(5, half)).dim(), 0);
}

TEST(CaffeModel, SharedMemoryBelongsToTheTensors) {
  at::Tensor kept;
  {
    const auto file = parse(caffe_layer("a", {caffe_weight()}));
    kept = file.tensors.at("a.blobs.0");
  }
  kept.add_(1);
  EXPECT_TRUE(same_bits(kept, caffe_weight() + 1));
}

TEST(CaffeModel, WhatIsWrongIsSaidWithItsLayer) {
  const auto layer_of = [](const std::string& blob) {
    return field(100, field(1, "conv1") + field(7, blob));
  };
  const auto four = field(5, std::string(16, '\0'));
  const auto sizes = [](std::vector<int64_t> values) {
    std::string bytes;
    for (const auto value : values) bytes += varint(static_cast<uint64_t>(value));
    return field(7, field(1, bytes));
  };
  EXPECT_EQ(refusal_of(layer_of(four + sizes({5}))),
            "layer conv1: blob 0: 4 values do not make the shape [5]");
  EXPECT_THAT(refusal_of(layer_of(four + sizes({-2, -2}))), HasSubstr("do not make the shape [-2, -2]"));
  EXPECT_THAT(refusal_of(layer_of(four + sizes({int64_t{1} << 62, 4}))), HasSubstr("do not make the shape"));
  EXPECT_THAT(refusal_of(layer_of(four + number_field(1, 4))),
              HasSubstr("do not make the shape [4, 0, 0, 0]"));
  EXPECT_THAT(refusal_of(layer_of(four + sizes(std::vector<int64_t>(33, 1)))), HasSubstr("33 axes"));
  EXPECT_THAT(refusal_of(layer_of("\x2a\x10xx")), HasSubstr("layer conv1: blob 0: is damaged"));
  EXPECT_THAT(refusal_of(layer_of(field(5, "odd"))), HasSubstr("layer conv1: blob 0: is damaged"));
  EXPECT_THAT(refusal_of(caffe_layer("a", {caffe_weight()}) + caffe_layer("a", {caffe_weight()})),
              HasSubstr("two of its layers with weights are called a"));
  EXPECT_THAT(refusal_of(caffe_layer("", {caffe_weight()})),
              HasSubstr("its layer 1 has weights and no name"));
  EXPECT_THAT(refusal_of(caffe_layer("\xff", {caffe_weight()})), HasSubstr("not UTF-8"));
  EXPECT_THAT(refusal_of(caffe_layer("relu1", {})), HasSubstr("is a .caffemodel without weights"));
  EXPECT_THAT(refusal_of(caffe_layer("a", {caffe_weight()}) + std::string(100, 'x')),
              HasSubstr("has what is no layer behind layer 1: it is damaged"));
  EXPECT_THAT(refusal_of("name: \"VGG16\"\nlayer {"), HasSubstr(".caffemodel beside it"));
}

// What a cut leaves is refused, or, where it lies between two layers, is what was written so far.
TEST(CaffeModel, EveryCutIsRefusedOrBetweenLayers) {
  const auto first = field(1, "net") + caffe_layer("a", {caffe_weight()}),
             whole = first + caffe_layer("b", {caffe_weight()});
  for (size_t size = 1; size < whole.size(); ++size) {
    if (size == first.size()) {
      EXPECT_THAT(keys_of(parse(whole.substr(0, size))), ElementsAre("a.blobs.0"));
    } else {
      EXPECT_NE(refusal_of(whole.substr(0, size)), "no error") << size;
    }
  }
}

TEST(CaffeModel, FlippedBitsStayWellFormed) {
  auto bytes = field(1, "net") + caffe_layer("a", {caffe_weight(), torch::ones({2})}, CaffeFormat::v1) +
               caffe_layer("b", {caffe_weight()});
  int refused = 0;
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
    try {
      for (const auto& [name, tensor] : parse(bytes).tensors) {
        EXPECT_LE(tensor.nbytes(), bytes.size());
        tensor.clone();  // reads all of it
      }
    } catch (const Refusal&) {
      ++refused;
    }
    bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
  }
  EXPECT_GT(refused, 100);
}

TEST(CaffeModel, MemoryIsInProportionToTheFile) {
  // Two bytes an empty layer and an empty blob, which would be a hundred in a parsed message each.
  std::string layers;
  for (int i = 0; i < 100'001; ++i) layers += field(100, "");
  EXPECT_THAT(refusal_of(layers), HasSubstr("too many layers"));
  std::string blobs = field(1, "a");
  for (int i = 0; i < 100'001; ++i) blobs += field(7, "");
  EXPECT_THAT(refusal_of(field(100, blobs)), HasSubstr("too many arrays"));
  EXPECT_THAT(refusal_of(field(1, "net") + "\xa2\x06" + varint(2'000'000'000)), HasSubstr("cut short"));
}

TEST(CaffeModel, OtherProtocolBuffersAreNone) {
  // TensorFlow's graph begins with a node, ONNX's model with the version of its format.
  EXPECT_THAT(refusal_of(field(1, field(1, "input") + field(2, "Placeholder"))),
              HasSubstr("is no weight file"));
  EXPECT_THAT(refusal_of(number_field(1, 7) + field(2, "pytorch")), HasSubstr("is an ONNX model"));
  EXPECT_THAT(refusal_of("\x1a\x45\xdf\xa3"), HasSubstr("is no weight file"));  // Matroska
  EXPECT_THAT(refusal_of("\n#include <a>\nvoid f();\n"), HasSubstr("is no weight file"));
}

}  // namespace
}  // namespace rcnn::io
