#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <torch/torch.h>
#include <unistd.h>

#include <rcnn/io/safetensors.h>

#include "io/files/checksum.h"

namespace rcnn::io {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

std::string bytes_of(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

/// A file of this header and so many bytes of data.
std::string safetensors_file(const std::string& header, size_t data) {
  const uint64_t size = header.size();
  std::string bytes(sizeof size, '\0');
  std::memcpy(bytes.data(), &size, sizeof size);
  return bytes + header + std::string(data, '\0');
}

std::string tensor(const std::string& name, const std::string& dtype, const std::string& shape,
                   const std::string& offsets) {
  return "\"" + name + R"(": {"dtype": ")" + dtype + R"(", "shape": )" + shape + R"(, "data_offsets": )" +
         offsets + "}";
}

bool same(const at::Tensor& a, const at::Tensor& b) {
  return a.dtype() == b.dtype() && torch::equal(a, b);
}

class SafeTensorsTest : public testing::Test {
 protected:
  SafeTensorsTest() { fs::create_directories(folder_); }
  ~SafeTensorsTest() override { fs::remove_all(folder_); }

  std::string read_error(const std::string& bytes) const {
    fs::remove(file_);  // ext4 sends a file that was cut and filled again to the disk at once
    std::ofstream(file_, std::ios::binary) << bytes;
    try {
      read_safetensors(file_);
    } catch (const WeightsError& error) {
      return error.what();
    }
    return "no error";
  }

  std::string write_error(const SafeTensors& content) const {
    try {
      write_safetensors(file_, content);
    } catch (const WeightsError& error) {
      return error.what();
    }
    return "no error";
  }

  const fs::path folder_ =
      fs::path(testing::TempDir()) / ("rcnn_safetensors_test." + std::to_string(getpid()));
  const fs::path file_ = folder_ / "weights.safetensors";
  const fs::path golden_ = fs::path(RCNN_FIXTURES) / "safetensors.safetensors";
};

TEST_F(SafeTensorsTest, ReadsWhatPythonWrote) {
  const auto content = read_safetensors(golden_);
  ASSERT_EQ(content.tensors.size(), 8);
  const auto expect = [&](const std::string& name, const at::Tensor& value) {
    ASSERT_TRUE(content.tensors.contains(name)) << name;
    EXPECT_TRUE(same(content.tensors.at(name), value)) << name << content.tensors.at(name);
    EXPECT_TRUE(content.tensors.at(name).is_contiguous()) << name;
  };
  constexpr float kInf = std::numeric_limits<float>::infinity();
  expect("f32", torch::tensor({{0.5f, -1.0f, 2.0f}, {3.0f, 1e-30f, kInf}}));
  expect("f16", torch::tensor({0.5f, -2.0f, 65504.0f}).to(at::kHalf));
  expect("bf16", torch::tensor({1.0f, -3.0f}).to(at::kBFloat16));
  expect("i64", torch::tensor({int64_t{-1}, int64_t{1} << 62}));
  expect("bool", torch::tensor({true, false, true}));
  expect("empty", torch::zeros({0, 4}));
  expect("scalar", torch::tensor(7, at::kInt));
  expect("ü\"\n", torch::tensor({255, 0, 1}, at::kByte));
  EXPECT_THAT(content.metadata.at("versions"), HasSubstr("safetensors"));
}

TEST_F(SafeTensorsTest, WritesWhatPythonWritesAndAChecksum) {
  write_safetensors(file_, read_safetensors(golden_));
  const auto split = [](const std::string& bytes) {
    uint64_t size = 0;
    std::memcpy(&size, bytes.data(), sizeof size);
    std::string header = bytes.substr(sizeof size, size);
    header.erase(header.find_last_not_of(' ') + 1);  // both pad it
    return std::pair(header, bytes.substr(sizeof size + size));
  };
  auto [header, data] = split(bytes_of(file_));
  const std::string entry = R"("rcnn.checksum":"xxh3-64:df2134af8300fbc0",)";
  ASSERT_THAT(header, HasSubstr(entry));
  header.erase(header.find(entry), entry.size());
  EXPECT_EQ(std::pair(header, data), split(bytes_of(golden_)));
}

TEST_F(SafeTensorsTest, ReadsBackEveryDtypeAndLayout) {
  SafeTensors content{.tensors = {}, .metadata = {{"config", "{\"a\": \"ü\\u0000\"}"}, {"empty", ""}}};
  for (const auto type : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16, at::kLong, at::kInt, at::kShort,
                          at::kChar, at::kByte, at::kBool}) {
    const auto values = torch::arange(-3, 4).to(type);
    content.tensors[std::string("values.") + at::toString(type)] = values;
    content.tensors[std::string("empty.") + at::toString(type)] = values.slice(0, 0, 0).view({0, 3});
  }
  content.tensors["transposed"] = torch::arange(6.0).view({2, 3}).t();
  content.tensors["expanded"] = torch::ones({1}).expand({2, 2});
  content.tensors["channels_last"] =
      torch::arange(24.0).view({1, 2, 3, 4}).contiguous(at::MemoryFormat::ChannelsLast);
  content.tensors["parameter"] = torch::ones({2}, torch::requires_grad());
  content.tensors[""] = torch::tensor(1.0);

  write_safetensors(file_, content);
  const auto found = read_safetensors(file_);
  EXPECT_EQ(found.metadata, content.metadata);
  ASSERT_EQ(found.tensors.size(), content.tensors.size());
  for (const auto& [name, value] : content.tensors) EXPECT_TRUE(same(found.tensors.at(name), value)) << name;
  EXPECT_EQ(bytes_of(file_).size() % 8, [&] {
    size_t data = 0;
    for (const auto& [name, value] : content.tensors) data += value.nbytes();
    return data % 8;
  }()) << "the data must be aligned";
}

TEST_F(SafeTensorsTest, TheSameContentGivesTheSameBytes) {
  const auto write = [&](const std::vector<std::string>& names) {
    SafeTensors content;
    for (const auto& name : names) {
      content.tensors[name] = torch::full({3}, static_cast<int64_t>(name.size()));
      content.metadata[name] = name;
    }
    write_safetensors(file_, content);
    return bytes_of(file_);
  };
  EXPECT_EQ(write({"a", "bb", "ccc"}), write({"ccc", "a", "bb"}));
}

TEST_F(SafeTensorsTest, AnEmptyFileOfTensorsIsOne) {
  write_safetensors(file_, {});
  const auto found = read_safetensors(file_);
  EXPECT_TRUE(found.tensors.empty());
  EXPECT_TRUE(found.metadata.empty());
}

TEST_F(SafeTensorsTest, TensorsOnAGpuAreWrittenToo) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no GPU";
  const auto value = torch::arange(6.0).view({2, 3});
  write_safetensors(file_, {.tensors = {{"a", value.cuda().t()}}, .metadata = {}});
  EXPECT_TRUE(same(read_safetensors(file_).tensors.at("a"), value.t()));
}

TEST_F(SafeTensorsTest, WhatTheFormatCannotHoldIsRefused) {
  EXPECT_EQ(write_error({.tensors = {{"c", torch::zeros({2}, at::kComplexFloat)}}, .metadata = {}}),
            file_.string() + ": cannot be written: tensor c: dtype ComplexFloat is not supported");
  EXPECT_THAT(write_error({.tensors = {{"u", at::Tensor()}}, .metadata = {}}), HasSubstr("tensor u: dtype "));
  EXPECT_THAT(write_error({.tensors = {{"__metadata__", torch::zeros({2})}}, .metadata = {}}),
              HasSubstr("no tensor can have the name"));
  EXPECT_THAT(write_error({.tensors = {}, .metadata = {{"x", "\xff"}}}), HasSubstr("not UTF-8"));
  EXPECT_FALSE(fs::exists(file_));
}

TEST_F(SafeTensorsTest, WhatIsNoSafetensorsFileIsRefused) {
  EXPECT_THROW(read_safetensors(folder_ / "none"), WeightsError);
  EXPECT_THROW(read_safetensors(folder_), WeightsError);
  EXPECT_EQ(read_error(""), file_.string() + ": is empty (0 bytes)");
  EXPECT_EQ(read_error("1234567"), file_.string() + ": is too short for a safetensors file");
  EXPECT_THAT(read_error("1234567"), HasSubstr("too short"));
  EXPECT_THAT(read_error(std::string(8, '\0')), HasSubstr("no JSON header"));
  EXPECT_THAT(read_error("PK\x03\x04 a zip archive, such as torch.save makes"),
              HasSubstr("is no safetensors file"));
  EXPECT_THAT(
      read_error(safetensors_file("", 0).replace(0, 8, std::string("\x00\xe4\x0b\x54\x02\x00\x00\x00", 8))),
      HasSubstr("claim a header of 10000000000 bytes"));
  EXPECT_THAT(read_error(std::string(8, '\xff')), HasSubstr("claim a header of"));
  EXPECT_THAT(read_error(safetensors_file("{}", 0).substr(0, 9)), HasSubstr("cut short"));
}

TEST_F(SafeTensorsTest, HeadersThatAreNotTheRightJsonAreRefused) {
  EXPECT_THAT(read_error(safetensors_file("{\"a\": ", 0)), HasSubstr("header: parse error at line 1"));
  EXPECT_THAT(read_error(safetensors_file("[]", 0)), HasSubstr("no JSON header"));
  EXPECT_THAT(read_error(safetensors_file(" {}", 0)), HasSubstr("no JSON header"));
  EXPECT_THAT(read_error(safetensors_file("{} // note", 0)), HasSubstr("header: parse error"));
  EXPECT_THAT(read_error(safetensors_file("{\"a\": " + std::string(1'000'000, '['), 0)),
              HasSubstr("nested too deeply"));
  EXPECT_THAT(
      read_error(safetensors_file(
          "{" + tensor("a", "U8", "[1]", "[0, 1]") + "," + tensor("a", "U8", "[1]", "[0, 1]") + "}", 1)),
      HasSubstr("duplicate key"));
  EXPECT_THAT(read_error(safetensors_file("{\"\xff\": 1}", 0)), HasSubstr("UTF-8"));
  for (const std::string metadata : {"3", "null", "[\"a\"]", "{\"a\": 1}"}) {
    EXPECT_THAT(read_error(safetensors_file("{\"__metadata__\": " + metadata + "}", 0)),
                HasSubstr("an object of strings"));
  }
  const std::string entries[] = {"3",
                                 "null",
                                 "{}",
                                 R"({"dtype": "U8", "shape": [1]})",
                                 R"({"dtype": 8, "shape": [1], "data_offsets": [0, 1]})",
                                 R"({"dtype": "U8", "shape": 1, "data_offsets": [0, 1]})",
                                 R"({"dtype": "U8", "shape": [-1], "data_offsets": [0, 1]})",
                                 R"({"dtype": "U8", "shape": [1.0], "data_offsets": [0, 1]})",
                                 R"({"dtype": "U8", "shape": [true], "data_offsets": [0, 1]})",
                                 R"({"dtype": "U8", "shape": [1], "data_offsets": [0]})",
                                 R"({"dtype": "U8", "shape": [1], "data_offsets": [0, 1, 1]})",
                                 R"({"dtype": "U8", "shape": [1], "data_offsets": [-1, 0]})",
                                 R"({"dtype": "U8", "shape": [1], "data_offsets": ["0", "1"]})"};
  for (const auto& entry : entries) {
    EXPECT_THAT(read_error(safetensors_file("{\"a\": " + entry + "}", 1)),
                HasSubstr(": tensor a: the header must give its dtype, shape and two data_offsets"))
        << entry;
  }
  EXPECT_THAT(read_error(safetensors_file("{" + tensor("a", "F8_E4M3", "[1]", "[0, 1]") + "}", 1)),
              HasSubstr("tensor a: dtype \"F8_E4M3\" is not supported"));
}

TEST_F(SafeTensorsTest, ShapesThatDoNotFitTheirDataAreRefused) {
  const auto error = [&](const std::string& shape, const std::string& offsets, size_t data) {
    return read_error(safetensors_file("{" + tensor("a", "F32", shape, offsets) + "}", data));
  };
  EXPECT_EQ(error("[2]", "[0, 8]", 8), "no error");
  EXPECT_THAT(error("[2]", "[0, 4]", 4), HasSubstr("tensor a: 4 bytes of data do not make F32 of shape [2]"));
  EXPECT_THAT(error("[]", "[0, 0]", 0), HasSubstr("do not make"));
  EXPECT_THAT(error("[2]", "[8, 0]", 8), HasSubstr("cut short"));
  EXPECT_THAT(error("[2]", "[0, 8]", 7), AllOf(HasSubstr("[0, 8) of 7 bytes"), HasSubstr("cut short")));
  EXPECT_THAT(error("[2305843009213693952]", "[0, 9223372036854775807]", 8), HasSubstr("cut short"));
  // Products that wrap around to the size of the data, or that only a size of 0 hides.
  EXPECT_THAT(error("[4611686018427387904, 4]", "[0, 0]", 0), HasSubstr("do not make"));
  EXPECT_THAT(error("[4294967296, 4294967296, 1]", "[0, 0]", 0), HasSubstr("do not make"));
  EXPECT_THAT(error("[0, 4611686018427387904, 4]", "[0, 0]", 0), HasSubstr("do not make"));
  EXPECT_THAT(error("[9223372036854775808]", "[0, 0]", 0), HasSubstr("too large"));
}

TEST_F(SafeTensorsTest, DataMustBeCoveredOnceAndWhole) {
  const auto error = [&](const std::string& a, const std::string& b, size_t data) {
    return read_error(
        safetensors_file("{" + tensor("a", "U8", "[2]", a) + "," + tensor("b", "U8", "[2]", b) + "}", data));
  };
  EXPECT_EQ(error("[2, 4]", "[0, 2]", 4), "no error");
  EXPECT_THAT(error("[0, 2]", "[1, 3]", 4),
              HasSubstr("tensor b: its data begins at byte 1, that before it ends at 2"));
  EXPECT_THAT(error("[0, 2]", "[0, 2]", 2), HasSubstr("begins at byte 0"));
  EXPECT_THAT(error("[0, 2]", "[3, 5]", 5), HasSubstr("tensor b: its data begins at byte 3"));
  EXPECT_THAT(error("[1, 3]", "[3, 5]", 5), HasSubstr("tensor a: its data begins at byte 1"));
  EXPECT_THAT(error("[0, 2]", "[2, 4]", 5), HasSubstr("the tensors take 4 of 5 bytes"));
  EXPECT_THAT(read_error(safetensors_file("{}", 1)), HasSubstr("the tensors take 0 of 1 bytes"));
}

TEST_F(SafeTensorsTest, ABoolIsZeroOrOne) {
  auto bytes = safetensors_file("{" + tensor("a", "BOOL", "[2]", "[0, 2]") + "}", 2);
  EXPECT_EQ(read_error(bytes), "no error");
  bytes.back() = 2;
  EXPECT_THAT(read_error(bytes), HasSubstr("tensor a: a bool is neither 0 nor 1"));
}

TEST_F(SafeTensorsTest, TheChecksumIsVerifiedAndStaysWithTheFile) {
  const std::map<std::string, std::string> metadata = {
      {"a", "\"rcnn.checksum\":\"xxh3-64:0000000000000000\""}, {"checksum", "sha256:theirs"}};
  auto with_entry = metadata;
  with_entry["rcnn.checksum"] = "that of another file";
  write_safetensors(file_, {.tensors = {{"w", torch::ones({2})}}, .metadata = with_entry});
  EXPECT_EQ(read_safetensors(file_).metadata, metadata);

  const auto whole = bytes_of(file_);
  auto damaged = whole;
  damaged.back() ^= 1;
  EXPECT_THAT(read_error(damaged), AllOf(HasSubstr("damaged, or another program has changed it"),
                                         HasSubstr("remove \"rcnn.checksum\" from its metadata")));
  // As a program leaves it that copies the metadata and writes the JSON in its own way.
  const auto respaced = [&](std::string bytes) {
    const std::string entry = "\"rcnn.checksum\":";
    uint64_t size = 0;
    std::memcpy(&size, bytes.data(), sizeof size);
    bytes.replace(bytes.rfind(entry), entry.size(), entry + " ");
    ++size;
    std::memcpy(bytes.data(), &size, sizeof size);
    return bytes;
  };
  EXPECT_THAT(read_error(respaced(whole)), HasSubstr("its checksum does not match"));
}

TEST_F(SafeTensorsTest, AMalformedChecksumIsRefused) {
  for (const char* value :
       {"", "xxh3-64:", "xxh3-64:0123456789abcde", "xxh3-64:0123456789abcdef0", "xxh3-64:0123456789ABCDEF",
        "sha256-0123456789abcdef", "xxh3-64:0123456789abcdeg"}) {
    EXPECT_THAT(read_error(safetensors_file(
                    R"({"__metadata__":{"rcnn.checksum":")" + std::string(value) + "\"}}", 0)),
                HasSubstr("its checksum is malformed"))
        << value;
  }
  EXPECT_THAT(
      read_error(safetensors_file(R"({"__metadata__":{"rcnn.checksum":"xxh3-64:0123456789abcdef"}})", 0)),
      HasSubstr("its checksum does not match"));
}

TEST_F(SafeTensorsTest, AChecksumOfOthersIsTheirs) {
  for (const char* value :
       {"sha256:0123", "0123456789abcdef0123456789abcdef", "", "xxh3-64:0123456789abcdef"}) {
    const auto bytes = safetensors_file(R"({"__metadata__":{"checksum":")" + std::string(value) + "\"}}", 0);
    EXPECT_EQ(read_error(bytes), "no error");
    EXPECT_EQ(read_safetensors(file_).metadata.at("checksum"), value);
  }
}

TEST_F(SafeTensorsTest, FilesOfRcnn010AreVerifiedByTheirChecksum) {
  // As that version wrote it: the entry's name is the only difference.
  const auto old_file = [&](const std::map<std::string, std::string>& metadata) {
    write_safetensors(file_, {.tensors = {{"w", torch::ones({2})}}, .metadata = metadata});
    auto bytes = bytes_of(file_);
    const std::string now = "\"rcnn.checksum\":\"xxh3-64:";
    const size_t at = bytes.find(now);
    bytes.replace(at, now.size() + 16, std::string("\"checksum\":\"xxh3-64:") + std::string(16, '0'));
    uint64_t size = 0;
    std::memcpy(&size, bytes.data(), sizeof size);
    size -= 5;
    std::memcpy(bytes.data(), &size, sizeof size);
    Checksum checksum;
    checksum.add(bytes);
    bytes.replace(bytes.find("xxh3-64:") + 8, 16, checksum.digits());
    return bytes;
  };
  const auto plain = old_file({{"format", "pt"}}), described = old_file({{"rcnn_version", "0.1.0"}});
  for (const auto& bytes : {plain, described}) {
    EXPECT_EQ(read_error(bytes), "no error");
    EXPECT_FALSE(read_safetensors(file_).metadata.contains("checksum"));
  }
  auto damaged = described;
  damaged.back() ^= 1;
  EXPECT_THAT(read_error(damaged), AllOf(HasSubstr("its checksum does not match"),
                                         HasSubstr("remove \"checksum\" from its metadata")));
}

TEST_F(SafeTensorsTest, UnalignedTensorsAreCopied) {
  // The header's length is no multiple of 8, as other programs may have it.
  auto bytes = safetensors_file("{" + tensor("a", "F64", "[1]", "[0, 8]") + "}  ", 8);
  bytes.replace(bytes.size() - 8, 8, std::string("\0\0\0\0\0\0\xf0\x3f", 8));
  for (int pad = 0; pad < 8; ++pad) {
    ASSERT_EQ(read_error(bytes), "no error");
    const auto found = read_safetensors(file_).tensors.at("a");
    EXPECT_EQ(reinterpret_cast<uintptr_t>(found.const_data_ptr()) % 8, 0);
    EXPECT_TRUE(same(found, torch::ones({1}, at::kDouble)));
    bytes.insert(bytes.find('}') + 1, " ");
    ++bytes[0];
  }
}

TEST_F(SafeTensorsTest, WritingToATensorLeavesTheFile) {
  write_safetensors(file_, {.tensors = {{"a", torch::zeros({10'000})}}, .metadata = {}});
  const auto before = bytes_of(file_);
  const auto first = read_safetensors(file_).tensors.at("a");
  const auto second = read_safetensors(file_).tensors.at("a");
  first.fill_(1);
  EXPECT_EQ(second.sum().item<float>(), 0);
  EXPECT_EQ(bytes_of(file_), before);
  write_safetensors(file_, {.tensors = {}, .metadata = {}});  // replaced, not overwritten
  EXPECT_EQ(first.sum().item<float>(), 10'000);
  EXPECT_EQ(second.sum().item<float>(), 0);
}

TEST_F(SafeTensorsTest, EveryCutOfAFileIsRefused) {
  const std::string whole = bytes_of(golden_);
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_NE(read_error(whole.substr(0, size)), "no error") << size;
}

TEST_F(SafeTensorsTest, DamagedFilesAreRefusedOrRead) {
  const std::string whole = bytes_of(golden_);
  const auto seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 500; ++i) {
    std::string damaged = whole;
    for (int flips = 0; flips < 3; ++flips) damaged[random() % damaged.size()] = static_cast<char>(random());
    read_error(
        damaged);  // anything but a WeightsError, a crash or a huge allocation included, fails the test
  }
}

TEST_F(SafeTensorsTest, AFullDiskLeavesTheOldFile) {
  write_safetensors(file_, {.tensors = {{"a", torch::zeros({4})}}, .metadata = {}});
  const auto old = bytes_of(file_);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{.rlim_cur = 1000, .rlim_max = before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &limit);
  EXPECT_THROW(write_safetensors(file_, {.tensors = {{"a", torch::ones({1000})}}, .metadata = {}}),
               DataError);
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(bytes_of(file_), old);
}

TEST_F(SafeTensorsTest, ReadsTheImagenetTrunk) {
  const char* folder = std::getenv("RCNN_DATA");
  const auto file = fs::path(folder ? folder : "") / "weights" / "resnet18_imagenet_trunk.safetensors";
  if (!folder || !fs::exists(file)) GTEST_SKIP() << "RCNN_DATA leads to no " << file.filename();
  const auto content = read_safetensors(file);
  EXPECT_FALSE(content.tensors.empty());
  for (const auto& [name, value] : content.tensors) {
    EXPECT_TRUE(torch::isfinite(value).all().item<bool>()) << name;
  }
  write_safetensors(file_, content);
  EXPECT_EQ(read_safetensors(file_).tensors.size(), content.tensors.size());
}

}  // namespace
}  // namespace rcnn::io
