#include "io/pickle/pickle.h"

#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/io/weights_support.h"
#include "tests/support/temp_folder.h"

namespace rcnn::io::pickle {
namespace {

using namespace std::string_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

/// The value of a pickle of one instruction.
template <class T>
T value_of(const std::string& instructions) {
  const std::string input = instructions + ".";
  const Pickle pickle = load(input);
  EXPECT_EQ(pickle.size, input.size());
  const T* const value = get<T>(*pickle.root);
  EXPECT_NE(value, nullptr) << instructions;
  return value != nullptr ? *value : T{};
}

std::string pickled_text(const std::string& instructions) {
  const std::string input = instructions + ".";
  const Pickle pickle = load(input);
  if (const auto* text = get<Text>(*pickle.root)) return std::string(text->bytes);
  if (const auto* bytes = get<Bytes>(*pickle.root)) return std::string(bytes->bytes);
  ADD_FAILURE() << instructions << " is no text";
  return {};
}

std::string error_of(const std::string& input) {
  try {
    load(input);
  } catch (const Refusal& refusal) {
    return refusal.what();
  }
  return "no error";
}

TEST(PickleTest, ReadsNumbers) {
  EXPECT_EQ(value_of<int64_t>("K\xff"), 255);
  EXPECT_EQ(value_of<int64_t>("M\x01\x80"), 0x8001);
  EXPECT_EQ(value_of<int64_t>("J\xfe\xff\xff\xff"), -2);
  EXPECT_EQ(value_of<int64_t>("I-12\n"), -12);
  EXPECT_EQ(value_of<int64_t>("L12L\n"), 12);
  EXPECT_EQ(value_of<int64_t>("\x8a\0"s), 0);
  EXPECT_EQ(value_of<int64_t>("\x8a\1\xff"), -1);
  EXPECT_EQ(value_of<int64_t>("\x8a\2\xff\0"s), 255);
  EXPECT_EQ(value_of<int64_t>("\x8b\x8\0\0\0\0\0\0\0\0\0\0\x80"s), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(value_of<LargeInteger>("\x8a\x9" + std::string(9, '\1')).bytes.size(), 9);
  EXPECT_EQ(value_of<double>("G\x3f\xf8\0\0\0\0\0\0"s), 1.5);
  EXPECT_EQ(value_of<double>("F-0.5\n"), -0.5);
  EXPECT_EQ(value_of<double>("Finf\n"), std::numeric_limits<double>::infinity());
  EXPECT_TRUE(value_of<bool>("I01\n"));
  EXPECT_FALSE(value_of<bool>("I00\n"));
  EXPECT_TRUE(value_of<bool>("\x88"));
  for (const char* malformed : {"I1x\n.", "I\n.", "F\n.", "F1,5\n.", "L--1\n.", "J\1\2\3", "G1234567"}) {
    EXPECT_THAT(error_of(malformed), StartsWith("its pickle is damaged")) << malformed;
  }
}

TEST(PickleTest, ReadsTexts) {
  EXPECT_EQ(pickled_text("X\2\0\0\0\xc3\xbc"s), "ü");
  EXPECT_EQ(pickled_text("\x8c\1a"), "a");
  EXPECT_EQ(pickled_text("\x8d\1\0\0\0\0\0\0\0a"s), "a");
  EXPECT_EQ(pickled_text("U\1a"), "a");
  EXPECT_EQ(pickled_text("T\1\0\0\0a"s), "a");
  EXPECT_EQ(pickled_text("C\1a"), "a");
  EXPECT_EQ(pickled_text("B\1\0\0\0a"s), "a");
  EXPECT_EQ(pickled_text("\x8e\1\0\0\0\0\0\0\0a"s), "a");
  EXPECT_EQ(pickled_text("\x96\1\0\0\0\0\0\0\0a"s), "a");
  EXPECT_EQ(pickled_text("S'a\\n\\t\\\\\\'\\x00\\xff'\n"), "a\n\t\\'\0\xff"s);
  EXPECT_EQ(pickled_text("S\"it's\"\n"), "it's");
  EXPECT_EQ(pickled_text("Va\\u00fc\\U0001f600\xfc\\n\n"), "aü😀ü\\n");
  EXPECT_EQ(pickled_text("c_codecs\nencode\n(X\3\0\0\0a\xc3\xbfX\6\0\0\0latin1tR"s), "a\xff");
  EXPECT_EQ(pickled_text("c__builtin__\nbytearray\n(X\2\0\0\0\xc3\xbfX\7\0\0\0latin-1tR"s), "\xff");
  EXPECT_EQ(pickled_text("c__builtin__\nbytes\n)R"), "");
  for (const char* malformed : {"Sa\n.", "S'a\n.", "S'\n.", "S'\\x0'\n.", "S'\\q'\n.", "S'\\'\n.",
                                "V\\u12\n.", "V\\U00110000\n.", "S'a'"}) {
    EXPECT_THAT(error_of(malformed), StartsWith("its pickle is damaged")) << malformed;
  }
  EXPECT_THAT(error_of("c_codecs\nencode\n(X\3\0\0\0\xe5\x90\x8dX\6\0\0\0latin1tR."s),
              HasSubstr("not Latin-1"));
  EXPECT_THAT(error_of("c_codecs\nencode\n(X\1\0\0\0aX\3\0\0\0hextR."s), HasSubstr("not latin1"));
}

TEST(PickleTest, ReadsContainersAndTheMemo) {
  EXPECT_EQ(value_of<List>("(K\1K\2l").items.size(), 2);
  EXPECT_EQ(value_of<List>("](K\1K\2eK\3a").items.size(), 3);
  EXPECT_EQ(value_of<Tuple>("K\1K\2K\3\x87").items.size(), 3);
  EXPECT_EQ(value_of<Tuple>("(K\1t").items.size(), 1);
  EXPECT_EQ(value_of<Dict>("(K\1K\2d").items.size(), 1);
  EXPECT_EQ(value_of<Dict>("}(K\1K\2K\3K\4uK\5K\6s").items.size(), 3);
  EXPECT_EQ(value_of<Dict>("ccollections\nOrderedDict\n((lp0\n(lp1\nK\1aK\2aatR").items.size(), 1);
  EXPECT_EQ(value_of<Dict>("ccollections\ndefaultdict\nc__builtin__\nint\n\x85RK\1K\2s").items.size(), 1);
  EXPECT_EQ(value_of<Dict>("ccollections\nCounter\n}K\1K\2s\x85R").items.size(), 1);
  value_of<Opaque>("\x8f(K\1\x90");
  value_of<Opaque>("(K\1\x91");
  value_of<Opaque>("c__builtin__\nset\n](K\1e\x85R");
  value_of<None>(
      "K\1(K\2K\31"
      "0N2\x30");
  EXPECT_EQ(value_of<int64_t>("K\1q\5K\2r\6\0\0\0K\3p7\n\x94h\5"s), 1);
  EXPECT_EQ(value_of<int64_t>("K\1\x94K\2j\0\0\0\0"s), 1);
  EXPECT_EQ(value_of<int64_t>("K\1p12\ng12\n"), 1);
  for (const char* malformed :
       {".",      "0.",       "2.",     "R.",      "t.",   "e.",         "a.",     "K\1a.",
        "(K\1a.", "K\1K\2a.", "}K\1s.", "}(K\1u.", "h\1.", "g1\n.",      "gx\n.",

        "\xff.",  "b.",       "NNb.",   "Q.",      "NQ.",  "K\1(N\x90.", "K\1)R.", "c_codecs\nencode\nNR.",
        "o.",     "(o."}) {
    EXPECT_THAT(error_of(malformed), StartsWith("its pickle is damaged")) << malformed;
  }
}

TEST(PickleTest, WhatIsBeyondAFileIsRefused) {
  EXPECT_THAT(error_of("\x80\x06N."), HasSubstr("protocol is 6"));
  EXPECT_THAT(error_of("\x97."), HasSubstr("buffers outside the file"));
  EXPECT_THAT(error_of("N\x98."), HasSubstr("buffers outside the file"));
  EXPECT_THAT(error_of("\x82\1."), HasSubstr("extension registry"));
}

TEST(PickleTest, AValueMayContainItself) {
  const std::string list = "]q\1(h\1h\1h\1e.";
  const Pickle pickle = load(list);
  EXPECT_EQ(get<List>(*pickle.root)->items.at(2), pickle.root);
  EXPECT_THAT(refusal_of("\x80\2}q\1(U\1ah\1U\1bh\1u."), HasSubstr("contain themselves"));
  EXPECT_THAT(refusal_of("\x80\2}q\0U\1a]q\1(h\1h\1h\1h\1es."s), HasSubstr("contain themselves"));
}

TEST(PickleTest, DepthAndWorkAreBounded) {
  // A million lists within each other: no recursion, neither in reading nor in releasing them.
  const std::string deep = "\x80\2"s + std::string(1'000'000, ']') + std::string(999'999, 'a') + ".";
  EXPECT_EQ(error_of(deep), "no error");
  EXPECT_THAT(refusal_of(deep), HasSubstr("nested too deeply"));
  // Ten lists, each of ten times the one before: ten billion entries.
  std::string laughs = "\x80\2]q\0"s;
  for (char i = 0; i < 10; ++i) {
    laughs += "(";
    for (int k = 0; k < 10; ++k) laughs += "h"s + i;
    laughs += "lq"s + static_cast<char>(i + 1);
  }
  EXPECT_EQ(error_of(laughs + "."), "no error");
  EXPECT_THAT(refusal_of(laughs + "."), HasSubstr("too many entries"));
  EXPECT_THAT(error_of(std::string(6'000'000, 'N')), HasSubstr("more instructions"));
  // One long list, copied again and again; one long text, encoded again and again.
  std::string copies = "("s + std::string(100'000, 'N') + "lq\1" + "c__builtin__\nlist\nq\2";
  for (int i = 0; i < 1000; ++i) copies += "h\2h\1\x85R";
  EXPECT_THAT(error_of(copies + "."), HasSubstr("more instructions"));
  std::string texts = "c_codecs\nencode\nq\1X"s + little_endian(100'000, 4) + std::string(100'000, 'x') +
                      "q\2X\6\0\0\0latin1q\3"s;
  for (int i = 0; i < 1000; ++i) texts += "h\1h\2h\3\x86R";
  EXPECT_THAT(error_of(texts + "."), HasSubstr("texts are longer"));
  std::string metadata = "\x80\2}(U\1x"s + "X" + little_endian(10'000, 4) + std::string(10'000, 'x') + "q\1";
  for (char i = 'a'; i < 'f'; ++i) metadata += "U\1"s + i + "h\1";
  metadata += "U\1w";
  Writer array(4);
  write_array(array);
  EXPECT_THAT(refusal_of(metadata + array.take().substr(2) + "u."), HasSubstr("texts are longer"));
}

/// The maker of the opaque object that a pickle holds.
std::string maker_of(const std::string& instructions) {
  const std::string input = instructions + ".";
  const Pickle pickle = load(input);
  const auto* opaque = get<Opaque>(*pickle.root);
  return opaque != nullptr ? std::string(opaque->maker) : "not opaque";
}

TEST(PickleTest, ObjectsOfUnknownClassesAreOpaque) {
  EXPECT_EQ(maker_of("cargparse\nNamespace\n)R}U\2lrK\1sb"), "argparse.Namespace");
  EXPECT_EQ(maker_of("\x8c\10argparse\x8c\11Namespace\x93)\x81}b"), "argparse.Namespace");
  EXPECT_EQ(maker_of("ca\nB\n)}\x92"), "a.B");  // with keyword arguments
  EXPECT_EQ(maker_of("(K\1ia\nB\n"), "a.B");
  EXPECT_EQ(maker_of("(ca\nB\nK\1o"), "a.B");
  EXPECT_EQ(maker_of("ca\nListOrDict\n)\x81(K\1K\2eK\3a(K\1K\2uK\3K\4sNb"), "a.ListOrDict");
  EXPECT_EQ(maker_of("ca\nSet\n)\x81(K\1\x90"), "a.Set");
  EXPECT_EQ(maker_of("ca\nf\n)RK\1\x85R"), "a.f");  // what a call gave, called
  EXPECT_EQ(maker_of("ctorch\nTensor\n)R"), "torch.Tensor");
  // Made of what is unknown: a subclass of an array, a tensor that a foreign function rebuilds.
  EXPECT_EQ(maker_of("cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nmatrix\n(K\0tU\1btR(K\1)NNNtb"s),
            "numpy.matrix");
  EXPECT_EQ(maker_of("ctorch._utils\n_rebuild_parameter\n(ctorch._utils\n_rebuild_sparse_tensor\n)R\x88NtR"),
            "torch._utils._rebuild_sparse_tensor");
  EXPECT_EQ(maker_of("c__builtin__\nlist\nca\nB\n)R\x85R"), "a.B");
  const std::string named = "ca\nB\n.";
  const Pickle pickle = load(named);
  EXPECT_EQ((*get<const Global*>(*pickle.root))->name, "a.B");
  EXPECT_FALSE((*get<const Global*>(*pickle.root))->known);
  EXPECT_EQ(maker_of("c__builtin__\nset\n)R"), "");
  for (const char* malformed : {"ca\nB\nNR.", "ca\nB\n\x92.", "K\1)R.", "ca\nB\n)R(K\1u."}) {
    EXPECT_THAT(error_of(malformed), StartsWith("its pickle is damaged")) << malformed;
  }
}

TEST(PickleTest, NothingRuns) {
  const TempFolder folder;
  const auto witness = folder.path() / "ran";
  const std::string command = "touch "s + witness.string();
  const std::string quoted = "S'" + command + "'\n";
  const std::string text = "\x8c"s + std::string(1, static_cast<char>(command.size())) + command;
  const std::pair<std::string, const char*> attacks[] = {
      {"cos\nsystem\n(" + quoted + "tR.", "os.system"},
      {"cposix\nsystem\n" + text + "\x85R.", "posix.system"},
      {"\x8c\2os\x8c\6system\x93" + text + "\x85R.", "os.system"},
      {"(" + quoted + "ios\nsystem\n.", "os.system"},
      {"(cos\nsystem\n" + quoted + "o.", "os.system"},
      {"cos\nsystem\n" + text + "\x85\x81.", "os.system"},
      {"cbuiltins\neval\n" + text + "\x85R.", "builtins.eval"},
      {"c__builtin__\nexec\n" + text + "\x85R.", "builtins.exec"},
      {"c__builtin__\ngetattr\n.", "builtins.getattr"},
      {"csubprocess\nPopen\n(" + quoted + "tR.", "subprocess.Popen"},
      {"cargparse\nNamespace\n)R.", "argparse.Namespace"},
      {"ctorch.hub\nload\n.", "torch.hub.load"},
      {"ctorch.storage\n_load_from_bytes\n.", "torch.storage._load_from_bytes"},
      {"ctorchvision.models.resnet\nResNet\n)\x81.", "torchvision.models.resnet.ResNet"},
      {"c\n\n.", "(.)"},
      {"ccollections\nOrderedDict\0\n."s, "collections.OrderedDict\\x00"},
  };
  for (const auto& [pickle, name] : attacks) {
    const auto expected = AllOf(HasSubstr(name), HasSubstr("torch.save(model.state_dict(), file)"));
    EXPECT_THAT(refusal_of("\x80\2" + pickle), expected);
    EXPECT_THAT(refusal_of(torch_zip("\x80\2" + pickle)), expected);
    const std::string legacy = file_bytes(weights_fixture("torch_legacy/attribute.pth"));
    const size_t pickles = legacy.find("ctorch._tensor");                          // behind the first three
    EXPECT_THAT(refusal_of(legacy.substr(0, pickles) + pickle + "]."), expected);  // no storages
    // Beside weights it is passed over, and does not run either.
    Writer weights(2);
    weights.op('}').op('(').text("model").op('}').text("w");
    write_array(weights);
    const auto beside = weights.op('s').text("x").take() + pickle.substr(0, pickle.size() - 1) + "u.";
    EXPECT_THAT(parse(beside).left_out, testing::ElementsAre("x"));
  }
  EXPECT_FALSE(std::filesystem::exists(witness));
}

}  // namespace
}  // namespace rcnn::io::pickle
