#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <torch/torch.h>

#include <rcnn/io/weight_file.h>

#include "tests/io/weights_support.h"
#include "tests/support/message_of.h"
#include "tests/support/resident_memory.h"
#include "tests/support/temp_folder.h"

namespace rcnn::io {
namespace {

namespace fs = std::filesystem;
using Format = WeightFile::Format;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::StartsWith;

std::map<std::string, at::Tensor> expected() {
  return read_weight_file(weights_fixture("safetensors/expected.safetensors")).tensors;
}

std::vector<std::string> names_of(const WeightFile& file) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : file.tensors) names.push_back(name);
  return names;
}

TEST(WeightFileTest, ReadsWhatTorchSaved) {
  for (const auto& [file, format] :
       {std::pair("torch_zip/all.pth", Format::torch_zip), {"torch_legacy/all.pth", Format::torch_legacy}}) {
    const auto found = read_weight_file(weights_fixture(file));
    EXPECT_EQ(found.format, format);
    EXPECT_EQ(found.root, "");
    EXPECT_TRUE(found.metadata.empty());
    EXPECT_EQ(found.tensors.size(), 19);
    EXPECT_TRUE(same_bits(found.tensors, expected())) << file;
    const auto& base = found.tensors.at("base");
    EXPECT_EQ(found.tensors.at("view").storage().data(), base.storage().data()) << file;
    EXPECT_THAT(found.tensors.at("transposed").strides().vec(), ElementsAre(1, 4));
    EXPECT_THAT(found.tensors.at("column").strides().vec(), ElementsAre(4));
    EXPECT_TRUE(found.tensors.at("channels_last").is_contiguous(at::MemoryFormat::ChannelsLast));
  }
}

TEST(WeightFileTest, ReadsWhatNumpyPickled) {
  auto tensors = expected();
  tensors.erase("bf16");
  for (const char* file : {"numpy_pickle/all2.pkl", "numpy_pickle/all4.pkl", "numpy_pickle/all5.pkl"}) {
    const auto found = read_weight_file(weights_fixture(file));
    EXPECT_EQ(found.format, Format::numpy_pickle);
    EXPECT_EQ(found.root, "model");
    EXPECT_THAT(found.metadata,
                ElementsAre(Pair("__author__", "someone"), Pair("matching_heuristics", "true")));
    EXPECT_TRUE(same_bits(found.tensors, tensors)) << file;
  }
}

TEST(WeightFileTest, ReadsPython2) {
  const auto values = torch::tensor({1.5f, -200.25f});
  const auto detectron = read_weight_file(weights_fixture("numpy_pickle/detectron.pkl"));
  EXPECT_EQ(detectron.root, "blobs");
  EXPECT_THAT(names_of(detectron), ElementsAre("conv1_w", "lr"));
  EXPECT_TRUE(same_bits(detectron.tensors.at("conv1_w"), values.view({2, 1})));
  EXPECT_TRUE(same_bits(detectron.tensors.at("lr"), torch::tensor(0.25, at::kDouble)));
  EXPECT_THAT(detectron.metadata, ElementsAre(Pair("cfg", "MODEL: {}\n")));

  const auto text = read_weight_file(weights_fixture("numpy_pickle/protocol0.pkl"));
  EXPECT_EQ(text.root, "");
  EXPECT_THAT(names_of(text), ElementsAre("a", "ü"));
  EXPECT_TRUE(same_bits(text.tensors.at("ü"), values));
  EXPECT_THAT(text.metadata, ElementsAre(Pair("note", "it's\n"), Pair("rate", "0.5")));
}

TEST(WeightFileTest, OfACheckpointTheModelIsRead) {
  for (const char* file : {"torch_zip/checkpoint.pth", "torch_legacy/checkpoint.pth"}) {
    const auto found = read_weight_file(weights_fixture(file));
    EXPECT_EQ(found.root, "state_dict");
    EXPECT_THAT(names_of(found), ElementsAre("head.bias", "head.weight", "stages.0", "stages.1.0"));
    EXPECT_TRUE(same_bits(found.tensors.at("head.bias"), torch::tensor({4.9f, 5.9f})));
    EXPECT_TRUE(same_bits(found.tensors.at("stages.1.0"), torch::tensor({int64_t{2}})));
    EXPECT_THAT(found.metadata,
                ElementsAre(Pair("arch", "resnet"), Pair("best", "0.75"), Pair("cycles", "1.5"),
                            Pair("epoch", "12"), Pair("final", "true")));
    EXPECT_THAT(found.left_out, ElementsAre("optimizer", "amp"));
  }
}

TEST(WeightFileTest, ATensorWithAttributesIsATensor) {
  for (const char* file : {"torch_zip/attribute.pth", "torch_legacy/attribute.pth"}) {
    EXPECT_TRUE(
        same_bits(read_weight_file(weights_fixture(file)).tensors.at("a"), torch::tensor({1.0f, 2.0f})));
  }
}

/// {key: {"w": array}, ..., flat keys: array}
std::string pickle_of(const std::vector<std::string>& dicts, const std::vector<std::string>& arrays) {
  pickle::Writer pickle(4);
  pickle.op('}').op('(');
  for (const auto& key : dicts) {
    pickle.text(key).op('}').op('(').text(key + "_w");
    write_array(pickle);
    pickle.op('u');
  }
  for (const auto& key : arrays) write_array(pickle.text(key));
  return pickle.op('u').op('.').take();
}

TEST(WeightFileTest, TheRootIsTheFirstOfItsNames) {
  const auto root = [](const std::string& pickle) { return parse(pickle).root; };
  EXPECT_EQ(root(pickle_of({"model_ema", "optimizer", "state_dict", "model"}, {})), "model");
  EXPECT_EQ(root(pickle_of({"model_ema", "optimizer", "state_dict"}, {})), "state_dict");
  for (const char* name : {"model_state_dict", "model_ema", "net", "network", "weights", "blobs"}) {
    const auto found = parse(pickle_of({"optimizer", name}, {}));
    EXPECT_EQ(found.root, name);
    EXPECT_THAT(names_of(found), ElementsAre(std::string(name) + "_w"));
    EXPECT_THAT(found.left_out, ElementsAre("optimizer"));
  }
  const auto beside = parse(pickle_of({"model"}, {"fc"}));
  EXPECT_EQ(beside.root, "model");
  EXPECT_THAT(names_of(beside), ElementsAre("model_w"));
  EXPECT_THAT(beside.left_out, ElementsAre("fc"));
  const auto others = parse(pickle_of({"backbone", "head"}, {}));
  EXPECT_EQ(others.root, "");
  EXPECT_THAT(names_of(others), ElementsAre("backbone.backbone_w", "head.head_w"));
}

TEST(WeightFileTest, NamesMustBeUniqueAndUtf8) {
  EXPECT_EQ(refusal_of(pickle_of({}, {"a", "a"})), "tensor a: the file has two of this name");
  EXPECT_EQ(refusal_of(pickle_of({"a"}, {"a.a_w"})), "tensor a.a_w: the file has two of this name");
  EXPECT_THAT(refusal_of(pickle_of({}, {"\xff"})), HasSubstr("not UTF-8"));
  EXPECT_THAT(refusal_of(pickle_of({}, {"\xed\xa0\x80"})), HasSubstr("not UTF-8"));  // a surrogate
  EXPECT_THAT(refusal_of(pickle_of({}, {std::string(2000, 'x')})), HasSubstr("too long"));
  EXPECT_THAT(refusal_of(pickle_of({}, {})), "holds no tensors");
  pickle::Writer alone(4);
  write_array(alone);
  EXPECT_THAT(refusal_of(alone.op('.').take()), StartsWith("is one tensor without a name"));
}

TEST(WeightFileTest, TensorsOutliveTheFileAndNeverChangeIt) {
  const TempFolder folder;
  for (const char* fixture :
       {"safetensors/expected.safetensors", "torch_zip/all.pth", "numpy_pickle/all4.pkl"}) {
    const auto bytes = file_bytes(weights_fixture(fixture));
    const auto file = folder.write("weights", bytes);
    auto found = read_weight_file(file);
    for (auto& [name, tensor] : found.tensors) tensor.fill_(1);
    EXPECT_EQ(file_bytes(file), bytes);
    found = read_weight_file(file);
    fs::remove(file);
    auto tensors = expected();
    if (found.format == Format::numpy_pickle) tensors.erase("bf16");
    EXPECT_TRUE(same_bits(found.tensors, tensors)) << fixture;
  }
}

TEST(WeightFileTest, SaysWhatIsNoWeightFile) {
  using namespace std::string_literals;
  const std::pair<std::string, const char*> kinds[] = {
      {"\xff\xd8\xff\xe0 image", "is a JPEG image"},
      {"\x89PNG\r\n", "is a PNG image"},
      {"<!DOCTYPE html><html>404</html>", "is a web page"},
      {" \n<?xml version='1.0'?><Error/>", "is a web page"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a Git LFS pointer"},
      {"\x1f\x8b\x08rest", "is compressed with gzip"},
      {"storages"s + std::string(249, '\0') + "ustar\0rest"s, "torch before 0.1.10"},
      {std::string(5000, '\0'), "begins with zeros alone"},
      {"\x08\x07\x12\x07pytorch", "is an ONNX model"},
      {"\x89HDF\r\n\x1a\n", "is an HDF5 file"},
      {"\x93NUMPY\x01", "is a single numpy array"},
      {"{\"a\": 1}", "begins with the text \"{\"a\": 1}\""},
      {"\x01\x02\xfe", "begins with the bytes 01 02 fe"},
      {"P", "begins with the text \"P\""},
  };
  for (const auto& [bytes, what] : kinds) EXPECT_THAT(refusal_of(bytes), HasSubstr(what));
}

TEST(WeightFileTest, ErrorsNameTheFile) {
  const TempFolder folder;
  const auto error = [](const fs::path& file) {
    return message_of<WeightsError>([&] { read_weight_file(file); });
  };
  const auto none = folder.path() / "none";
  EXPECT_EQ(error(none), none.string() + ": cannot be read: No such file or directory");
  EXPECT_EQ(error(folder.path()), folder.path().string() + ": is a folder");
  const auto empty = folder.write("empty", "");
  EXPECT_EQ(error(empty), empty.string() + ": is empty (0 bytes)");
  const auto fifo = folder.path() / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(error(fifo), fifo.string() + ": is no regular file");
  EXPECT_EQ(error("/dev/null"), "/dev/null: is no regular file");
  const auto image = folder.write("image", "\xff\xd8\xff");
  EXPECT_EQ(error(image), image.string() + ": is a JPEG image");
}

TEST(WeightFileTest, GigabytesOfSomethingElseAreRefusedUnread) {
  const TempFolder folder;
  const double before = test::resident_bytes();
  const auto error = [&](std::string_view begin) {
    const auto file = folder.write("large", begin);
    fs::resize_file(file, 3'000'000'000);
    return message_of<WeightsError>([&] { read_weight_file(file); });
  };
  EXPECT_THAT(error(""), HasSubstr("begins with zeros alone"));
  EXPECT_THAT(error("\xff\xd8\xff"), HasSubstr("is a JPEG image"));
  EXPECT_THAT(error({"\x10\0\0\0\0\0\0\0{\"a\": 1}        ", 24}),
              HasSubstr("a"));  // safetensors, a header that is wrong
  EXPECT_LT(test::resident_bytes() - before, 50e6);
}

}  // namespace
}  // namespace rcnn::io
