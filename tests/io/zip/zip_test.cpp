#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/zip/zip_format.h"
#include "io/zip/zip_reader.h"
#include "tests/io/weights_support.h"

namespace rcnn::io {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const std::string kPickle = [] {
  pickle::Writer pickle(4);
  write_array(pickle.op('}').text("w"));
  return pickle.op('s').op('.').take();
}();

std::string zip_error(const std::string& archive) {
  try {
    for (const ZipReader zip(archive); const auto& [name, entry] : zip.entries()) zip.read(name);
  } catch (const Refusal& refusal) {
    return refusal.what();
  }
  return "no error";
}

/// Changes one field of the record with this signature, the first or the last of its kind.
template <class Record, class Field>
void change(std::string& archive, uint32_t signature, Field Record::*field, Field value, bool last = false) {
  const auto bytes = little_endian(signature, sizeof signature);
  const size_t position = last ? archive.rfind(bytes) : archive.find(bytes);
  ASSERT_NE(position, std::string::npos);
  Record record;
  std::memcpy(&record, archive.data() + position, sizeof record);
  record.*field = value;
  std::memcpy(archive.data() + position, &record, sizeof record);
}

/// The same for a field of what both records of a file have.
template <class Record, class Field>
void change(std::string& archive, uint32_t signature, zip::File Record::*file, Field zip::File::*field,
            Field value) {
  Record record;
  std::memcpy(&record, archive.data() + archive.find(little_endian(signature, sizeof signature)),
              sizeof record);
  (record.*file).*field = value;
  change(archive, signature, file, record.*file);
}

TEST(ZipTest, ReadsWhatItWrites) {
  const std::string archive = torch_zip(kPickle, {{"0", "first"}, {"1", ""}, {"ü", std::string(1000, 'x')}});
  const ZipReader zip(archive);
  EXPECT_EQ(zip.entries().size(), 4);
  EXPECT_EQ(zip.read("archive/data/0"), "first");
  EXPECT_EQ(zip.read("archive/data/1"), "");
  EXPECT_EQ(zip.read("archive/data/ü"), std::string(1000, 'x'));
  for (const auto& [name, entry] : zip.entries())
    EXPECT_EQ((entry.data.data() - archive.data()) % 64, 0) << name;
}

TEST(ZipTest, ACommentMayFollow) {
  std::string archive = torch_zip(kPickle);
  change(archive, zip::kEndSignature, &zip::End::comment_length, uint16_t{7});
  EXPECT_EQ(zip_error(archive + "comment"), "no error");
  EXPECT_THAT(zip_error(archive + "commen"), HasSubstr("no end record"));
}

TEST(ZipTest, LargeFieldsStandInZip64Records) {
  // As another program may write a small one: all in zip64.
  std::string archive = torch_zip(kPickle);
  change(archive, zip::kEndSignature, &zip::End::directory_offset, UINT32_MAX);
  change(archive, zip::kEndSignature, &zip::End::entries, uint16_t{UINT16_MAX});
  EXPECT_EQ(zip_error(archive), "no error");
  // A size of all ones without the record that it promises.
  change(archive, zip::kCentralSignature, &zip::Central::file, &zip::File::compressed, UINT32_MAX);
  EXPECT_THAT(zip_error(archive), HasSubstr("a file leaves it"));
}

TEST(ZipTest, DamageIsFound) {
  const std::string archive = torch_zip(kPickle, {{"0", "data"}});
  const auto damaged = [&](auto... arguments) {
    std::string copy = archive;
    change(copy, arguments...);
    return zip_error(copy);
  };
  const auto prefix = StartsWith("its zip archive is damaged or cut short: ");
  EXPECT_THAT(zip_error(""), prefix);
  EXPECT_THAT(zip_error("PK\3\4"), prefix);
  EXPECT_THAT(zip_error(archive.substr(0, archive.size() - 1)), prefix);
  EXPECT_THAT(damaged(zip::kEnd64Signature, &zip::End64::directory_offset, uint64_t{UINT64_MAX}), prefix);
  EXPECT_THAT(damaged(zip::kEnd64Signature, &zip::End64::directory_size, uint64_t{UINT64_MAX}), prefix);
  EXPECT_THAT(damaged(zip::kEnd64Signature, &zip::End64::entries, uint64_t{UINT64_MAX}), prefix);
  EXPECT_THAT(damaged(zip::kEnd64Signature, &zip::End64::entries, uint64_t{1}), prefix);
  EXPECT_THAT(damaged(zip::kEnd64LocatorSignature, &zip::End64Locator::end64_offset, uint64_t{UINT64_MAX}),
              prefix);
  EXPECT_THAT(damaged(zip::kEnd64LocatorSignature, &zip::End64Locator::end64_offset, uint64_t{0}), prefix);
  EXPECT_THAT(damaged(zip::kCentralSignature, &zip::Central::offset, uint32_t{UINT32_MAX}), prefix);
  EXPECT_THAT(damaged(zip::kCentralSignature, &zip::Central::offset, uint32_t{1}), prefix);
  EXPECT_THAT(
      damaged(zip::kCentralSignature, &zip::Central::file, &zip::File::name_length, uint16_t{UINT16_MAX}),
      prefix);
  EXPECT_THAT(
      damaged(zip::kCentralSignature, &zip::Central::file, &zip::File::extra_length, uint16_t{UINT16_MAX}),
      prefix);
  EXPECT_THAT(
      damaged(zip::kLocalSignature, &zip::Local::file, &zip::File::extra_length, uint16_t{UINT16_MAX}),
      prefix);
  EXPECT_THAT(damaged(zip::kLocalSignature, &zip::Local::signature, uint32_t{0}), prefix);
  EXPECT_EQ(damaged(zip::kCentralSignature, &zip::Central::file, &zip::File::crc, uint32_t{0}),
            "the CRC of archive/data.pkl in it does not match: the file is damaged");
}

TEST(ZipTest, TwoFilesOfOneNameOrPlaceAreRefused) {
  const std::string archive = torch_zip(kPickle, {{"0", "data"}, {"1", "data"}});
  std::string renamed = archive;
  renamed.replace(renamed.rfind("archive/data/1"), 14, "archive/data/0");
  EXPECT_THAT(zip_error(renamed), HasSubstr("two files of one name"));
  std::string moved = archive;
  change(moved, zip::kCentralSignature, &zip::Central::offset, uint32_t{0}, /*last=*/true);
  EXPECT_THAT(zip_error(moved), HasSubstr("two files in it overlap"));
}

TEST(ZipTest, OnlyTorchsArchivesAreWeights) {
  std::string compressed = torch_zip(kPickle);
  change(compressed, zip::kCentralSignature, &zip::Central::file, &zip::File::method, uint16_t{8});
  EXPECT_THAT(refusal_of(compressed), HasSubstr("archive/data.pkl in it is compressed"));
  std::string encrypted = torch_zip(kPickle);
  change(encrypted, zip::kCentralSignature, &zip::Central::file, &zip::File::flags, uint16_t{1});
  EXPECT_NE(refusal_of(encrypted), "no error");

  const TempFolder folder;
  const auto archive_of = [&](std::initializer_list<std::pair<std::string, std::string>> files) {
    AtomicWriter writer(folder.path() / "zip");
    ZipWriter zip(writer);
    for (const auto& [name, data] : files) zip.add(name, data);
    zip.finish();
    writer.commit();
    return file_bytes(folder.path() / "zip");
  };
  EXPECT_EQ(refusal_of(archive_of({{"any_name/data.pkl", kPickle}, {"any_name/byteorder", "little"}})),
            "no error");
  EXPECT_EQ(refusal_of(archive_of({{"data.pkl", kPickle}})), "no error");
  EXPECT_EQ(refusal_of(archive_of({{"a/data.pkl", kPickle}, {"a/byteorder", "big"}})),
            "is in big-endian byte order, which is not supported");
  EXPECT_THAT(refusal_of(archive_of({{"arr_0.npy", "x"}})), HasSubstr("torch.save has not written"));
  const auto torchscript = HasSubstr("TorchScript archive");
  EXPECT_THAT(refusal_of(archive_of({{"a/data.pkl", kPickle}, {"a/constants.pkl", "N."}})), torchscript);
  EXPECT_THAT(refusal_of(archive_of({{"a/data.pkl", kPickle}, {"a/code/__torch__.py", ""}})), torchscript);
}

}  // namespace
}  // namespace rcnn::io
