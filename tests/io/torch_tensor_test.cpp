#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tests/io/weights_support.h"

namespace rcnn::io {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// How a pickle describes a tensor; the storage's eight bytes are two float32, 1 and 2.
struct Described {
  std::string storage_type = "FloatStorage";
  int64_t count = 2;
  int64_t offset = 0;
  std::vector<int64_t> shape = {2};
  std::vector<int64_t> strides = {1};
};

const std::string kData("\0\0\x80\x3f\0\0\0\x40", 8);

std::string torch_file_of(const Described& tensor, const std::string& key = "0") {
  pickle::Writer pickle(2);
  pickle.op('}').text("w").global("torch._utils", "_rebuild_tensor_v2").op('(').op('(').text("storage");
  pickle.global("torch", tensor.storage_type).text(key).text("cpu").integer(tensor.count).op('t').op('Q');
  pickle.integer(tensor.offset).sizes(tensor.shape).sizes(tensor.strides).boolean(false).none();
  return torch_zip(pickle.op('t').op('R').op('s').op('.').take(), {{"0", kData}});
}

at::Tensor read(const Described& tensor) {
  return parse(torch_file_of(tensor)).tensors.at("w");
}
std::string error(const Described& tensor) {
  return refusal_of(torch_file_of(tensor));
}

TEST(TorchTensorTest, IsAViewOfItsStorage) {
  EXPECT_TRUE(same_bits(read({}), torch::tensor({1.0f, 2.0f})));
  EXPECT_TRUE(same_bits(read({.offset = 1, .shape = {}, .strides = {}}), torch::tensor(2.0f)));
  EXPECT_TRUE(same_bits(read({.shape = {1, 2}, .strides = {77, 1}}), torch::tensor({{1.0f, 2.0f}})));
  EXPECT_TRUE(same_bits(read({.shape = {2}, .strides = {0}}), torch::tensor({1.0f, 1.0f})));
  EXPECT_THAT(read({.offset = 5, .shape = {3, 0}, .strides = {0, 1}}).sizes().vec(), ElementsAre(3, 0));
  EXPECT_TRUE(same_bits(read({.storage_type = "LongStorage", .count = 1, .shape = {1}}),
                        torch::tensor({int64_t{0x400000003f800000}})));
}

TEST(TorchTensorTest, WhatLeavesItsStorageIsRefused) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(error({.offset = 1}), "tensor w: it leaves its storage");
  EXPECT_THAT(error({.strides = {2}}), HasSubstr("leaves its storage"));
  EXPECT_THAT(error({.offset = 2, .shape = {1}}), HasSubstr("leaves its storage"));
  EXPECT_THAT(error({.offset = kMax}), HasSubstr("leaves its storage"));
  EXPECT_THAT(error({.strides = {kMax}}), HasSubstr("leaves its storage"));
  EXPECT_THAT(error({.offset = 1, .shape = {2, 1}, .strides = {kMax, 1}}), HasSubstr("leaves its storage"));
  EXPECT_THAT(error({.shape = {3}}), HasSubstr("more elements than its storage"));
  // Strides of 0 would make a copy of any size.
  EXPECT_THAT(error({.shape = {1'000'000'000}, .strides = {0}}), HasSubstr("more elements than its storage"));
  EXPECT_THAT(error({.shape = {kMax, 4}, .strides = {0, 0}}), HasSubstr("more elements than its storage"));
  EXPECT_THAT(error({.shape = {kMax, 0, kMax}, .strides = {0, 0, 0}}),
              HasSubstr("more elements than its storage"));
  EXPECT_THAT(error({.offset = -1}), HasSubstr("negative"));
  EXPECT_THAT(error({.shape = {-1}}), HasSubstr("negative"));
  EXPECT_THAT(error({.offset = 1, .strides = {-1}}), HasSubstr("negative"));
  EXPECT_THAT(error({.shape = {2, 1}}), HasSubstr("differ in length"));
  EXPECT_THAT(error({.shape = std::vector<int64_t>(65, 1), .strides = std::vector<int64_t>(65, 1)}),
              HasSubstr("at most 64 sizes"));
}

TEST(TorchTensorTest, AStorageMustBeWhatThePickleSays) {
  EXPECT_EQ(error({.count = 3}), "tensor w: its storage 0 has 8 bytes, not 3 elements of torch.FloatStorage");
  EXPECT_THAT(error({.count = 1}), HasSubstr("has 8 bytes, not 1 elements"));
  EXPECT_THAT(error({.count = -2}), HasSubstr("not -2 elements"));
  EXPECT_THAT(error({.count = int64_t{1} << 62}), HasSubstr("8 bytes"));
  EXPECT_EQ(refusal_of(torch_file_of({}, "1")), "tensor w: its zip archive has no archive/data/1");
  EXPECT_EQ(error({.storage_type = "BoolStorage", .count = 8}), "tensor w: a bool is neither 0 nor 1");
  EXPECT_EQ(error({.storage_type = "QInt8Storage", .count = 8}),
            "tensor w: storage type torch.QInt8Storage is not supported");
  EXPECT_THAT(error({.storage_type = "ComplexFloatStorage", .count = 1}),
              HasSubstr("torch.ComplexFloatStorage"));
  EXPECT_THAT(error({.storage_type = "NoStorage"}), HasSubstr("torch.NoStorage"));
}

TEST(TorchTensorTest, LazilyConjugatedOrUnknownOnesAreRefused) {
  const auto file = [](const char* function, auto add_arguments) {
    pickle::Writer pickle(2);
    pickle.op('}').text("w").global("torch._utils", function).op('(').op('(').text("storage");
    pickle.global("torch", "FloatStorage").text("0").text("cpu").integer(2).op('t').op('Q');
    const int64_t size = 2, stride = 1;
    pickle.integer(0).sizes({&size, 1}).sizes({&stride, 1}).boolean(false).none();
    add_arguments(pickle);
    return torch_zip(pickle.op('t').op('R').op('s').op('.').take(), {{"0", kData}});
  };
  const auto negated = file("_rebuild_tensor_v2",
                            [](pickle::Writer& pickle) { pickle.op('}').text("neg").boolean(true).op('s'); });
  EXPECT_THAT(refusal_of(negated), HasSubstr("conjugated or negated"));
  const auto other_type =
      file("_rebuild_tensor_v3", [](pickle::Writer& pickle) { pickle.global("torch", "uint16"); });
  EXPECT_EQ(refusal_of(other_type), "tensor w: dtype torch.uint16 is not supported");
  EXPECT_THAT(refusal_of(file("_rebuild_sparse_tensor", [](pickle::Writer&) {})),
              HasSubstr("torch._utils._rebuild_sparse_tensor"));
}

TEST(TorchTensorTest, ATorchTensorNeedsTorchsFile) {
  pickle::Writer pickle(2);
  pickle.op('}').text("w").global("torch._utils", "_rebuild_tensor").op('(').op('(').text("storage");
  pickle.global("torch", "FloatStorage").text("0").text("cpu").integer(2).op('t').op('Q');
  const int64_t one = 1;
  pickle.integer(0).sizes({&one, 1}).sizes({&one, 1}).op('t').op('R').op('s').op('.');
  EXPECT_EQ(refusal_of(pickle.take()), "tensor w: it is a torch tensor, whose data this file does not have");
}

/// A dict with one array of this dtype, shape and data.
std::string array_file(const std::string& dtype, const std::vector<int64_t>& shape, const std::string& data,
                       const std::string& order = "C", const std::vector<int64_t>& axes = {}) {
  pickle::Writer pickle(4);
  pickle.op('}').text("w").global("numpy._core.numeric", "_frombuffer").op('(').bytes_follow(data.size());
  for (const char byte : data) pickle.op(byte);
  pickle.global("numpy", "dtype").op('(').text(dtype).op('t').op('R').sizes(shape).text(order);
  if (!axes.empty()) pickle.sizes(axes);
  return pickle.op('t').op('R').op('s').op('.').take();
}

TEST(NumpyArrayTest, IsConverted) {
  const auto read = [](const std::string& file) { return parse(file).tensors.at("w"); };
  EXPECT_TRUE(same_bits(read(array_file("<f4", {2}, kData)), torch::tensor({1.0f, 2.0f})));
  const auto swapped = torch::tensor({{1, 2, 3}, {4, 5, 6}}, at::kShort);
  EXPECT_TRUE(
      same_bits(read(array_file(">i2", {2, 3}, std::string("\0\1\0\2\0\3\0\4\0\5\0\6", 12))), swapped));
  EXPECT_TRUE(same_bits(read(array_file("i1", {2, 3}, "\1\4\2\5\3\6", "F")), swapped.to(at::kChar)));
  EXPECT_TRUE(same_bits(read(array_file("i1", {3, 2}, "\1\4\2\5\3\6", "K", {1, 0})), swapped.to(at::kChar)));
  EXPECT_TRUE(same_bits(read(array_file("|b1", {2}, std::string("\0\1", 2))), torch::tensor({false, true})));
}

TEST(NumpyArrayTest, BytesThatManyArraysShareAreNotCopiedForEach) {
  const auto file = [](bool same_array, int count) {
    pickle::Writer pickle(4);
    const int64_t size = 3000;
    pickle.op('}').global("numpy._core.numeric", "_frombuffer").op('(').bytes_follow(size);
    for (int64_t i = 0; i < size; ++i) pickle.op('x');
    pickle.op('q').op(1).global("numpy", "dtype").op('(').text("i1").op('t').op('R').op('q').op(2);
    pickle.sizes({&size, 1}).text("C").op('t').op('R').op('q').op(3).op('0').op('(');
    for (int i = 0; i < count; ++i) {
      pickle.text(std::to_string(i));
      if (same_array) {
        pickle.op('h').op(3);
      } else {
        pickle.global("numpy._core.numeric", "_frombuffer").op('(').op('h').op(1).op('h').op(2);
        pickle.sizes({&size, 1}).text("C").op('t').op('R');
      }
    }
    return pickle.op('u').op('.').take();
  };
  const auto tied = parse(file(true, 100)).tensors;
  EXPECT_EQ(tied.size(), 100);
  EXPECT_EQ(tied.at("7").const_data_ptr(), tied.at("8").const_data_ptr());
  EXPECT_EQ(refusal_of(file(false, 1)), "no error");
  EXPECT_THAT(refusal_of(file(false, 100)), HasSubstr("larger than the file"));
}

TEST(NumpyArrayTest, WhatCannotBeIsRefused) {
  const auto error = [](auto... arguments) { return refusal_of(array_file(arguments...)); };
  const std::vector<int64_t> two = {2};
  EXPECT_EQ(error("f4", std::vector<int64_t>{3}, kData),
            "tensor w: 8 bytes of data do not make f4 of shape [3]");
  EXPECT_THAT(error("f4", std::vector<int64_t>{-2}, kData), HasSubstr("do not make"));
  EXPECT_THAT(error("f4", std::vector<int64_t>{int64_t{1} << 62, 4}, kData), HasSubstr("do not make"));
  EXPECT_THAT(error("f4", std::vector<int64_t>{0, int64_t{1} << 62, 4}, std::string()),
              HasSubstr("do not make"));
  for (const char* type : {"O8", "V8", "S8", "c8", "U2", "u2", "M8", "f16", "", "f4f4"}) {
    EXPECT_THAT(error(type, two, kData), HasSubstr("tensor w: numpy dtype " + std::string(type))) << type;
  }
  EXPECT_THAT(error("f4", two, kData, "A"), HasSubstr("unknown order"));
  for (const auto& axes : {std::vector<int64_t>{1}, {0, 1}, {-1}}) {
    EXPECT_THAT(error("f4", two, kData, "K", axes), HasSubstr("no permutation"));
  }
  EXPECT_EQ(error("b1", two, std::string("\1\2")), "tensor w: a bool is neither 0 nor 1");
  const std::string empty = "\x80\2}U\1wcnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n)U\1btRs.";
  EXPECT_EQ(refusal_of(empty), "tensor w: the array has no content");
}

}  // namespace
}  // namespace rcnn::io
