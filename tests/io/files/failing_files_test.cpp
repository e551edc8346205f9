#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <rcnn/io/files/atomic_file.h>
#include <rcnn/io/safetensors.h>

#include "io/files/atomic_writer.h"
#include "io/files/file_system.h"
#include "io/safetensors.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn::io {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

enum class Call { create, pwrite, fsync, close, rename, open_folder, unlink };

/// The real files, of which `fails` lets calls fail: the error of the count-th call (from 0) of its kind,
/// 0 for none. A write that fails has written half of its bytes; a close that fails has closed.
class FailingFiles : public FileSystem {
 public:
  using Fails = std::function<int(Call call, int count)>;
  explicit FailingFiles(Fails fails) : fails_(std::move(fails)) {}

  int create(const fs::path& file, mode_t mode) override {
    return fail(Call::create) ? -1 : FileSystem::create(file, mode);
  }
  int open_folder(const fs::path& folder) override {
    return fail(Call::open_folder) ? -1 : FileSystem::open_folder(folder);
  }
  ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t position) override {
    if (!fail(Call::pwrite)) return FileSystem::pwrite(descriptor, bytes, size, position);
    const int error = errno;
    FileSystem::pwrite(descriptor, bytes, size / 2, position);
    errno = error;
    return -1;
  }
  int fsync(int descriptor) override { return fail(Call::fsync) ? -1 : FileSystem::fsync(descriptor); }
  int close(int descriptor) override {
    const int result = FileSystem::close(descriptor);
    return fail(Call::close) ? -1 : result;
  }
  int rename(const fs::path& from, const fs::path& to) override {
    if (fail(Call::rename)) return -1;
    renamed_ = true;
    return FileSystem::rename(from, to);
  }
  int unlink(const fs::path& file) override { return fail(Call::unlink) ? -1 : FileSystem::unlink(file); }

  bool renamed() const { return renamed_; }
  bool failed() const { return failed_; }
  const std::vector<Call>& calls() const { return calls_; }

 private:
  bool fail(Call call) {
    const auto count = std::count(calls_.begin(), calls_.end(), call);
    calls_.push_back(call);
    const int error = fails_(call, static_cast<int>(count));
    if (error == 0) return false;
    failed_ = true;
    errno = error;
    return true;
  }

  const Fails fails_;
  std::vector<Call> calls_;
  bool renamed_ = false, failed_ = false;
};

int never(Call, int) {
  return 0;
}

class FailingFilesTest : public testing::Test {
 protected:
  /// Different in size and everywhere in value.
  static SafeTensors generation(int64_t number) {
    return {.tensors = {{"a", torch::full({100 + 10 * number}, number, at::kFloat)},
                        {"b", torch::full({3, 5}, number, at::kLong)}},
            .metadata = {{"generation", std::to_string(number)}}};
  }

  void SetUp() override {
    write_safetensors(file_, generation(2));
    new_ = file_bytes(file_);
    write_safetensors(file_, generation(1));
    old_ = file_bytes(file_);
  }

  /// Writes generation 2 over 1 and checks that one of them is there, as a whole. Whether there was an error.
  bool write(FailingFiles& files) const {
    std::string error;
    try {
      write_safetensors(file_, generation(2), files);
    } catch (const DataError& thrown) {
      error = thrown.what();
      EXPECT_THAT(error, AllOf(HasSubstr(file_.string()), Not(HasSubstr("\n"))));
      EXPECT_TRUE(files.failed());
    }
    EXPECT_EQ(file_bytes(file_), error.empty() || files.renamed() ? new_ : old_) << error;
    const auto found = read_safetensors(file_);
    const int64_t number = files.renamed() ? 2 : 1;
    EXPECT_EQ(found.metadata, generation(number).metadata);
    EXPECT_TRUE(torch::equal(found.tensors.at("a"), generation(number).tensors.at("a")));
    return !error.empty();
  }

  void restore() const { write_safetensors(file_, generation(1)); }

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_.path())) names.push_back(entry.path().filename());
    return names;
  }

  const TempFolder folder_;
  const fs::path file_ = folder_.path() / "last.safetensors";
  std::string old_, new_;
};

TEST_F(FailingFilesTest, SyncsTheContentBeforeTheNameAndTheNameBeforeItReturns) {
  FailingFiles files(never);
  write(files);
  auto calls = files.calls();
  calls.erase(std::unique(calls.begin(), calls.end()), calls.end());
  EXPECT_THAT(calls, ElementsAre(Call::create, Call::pwrite, Call::fsync, Call::close, Call::rename,
                                 Call::open_folder, Call::fsync, Call::close));
}

TEST_F(FailingFilesTest, WhicheverCallFailsTheOldOrTheNewFileIsThereAndNothingElse) {
  struct Kind {
    Call call;
    std::vector<int> errors;
    int count;  // of calls in a run without failures
  };
  const std::vector<Kind> kinds = {
      {Call::create, {EACCES, EDQUOT, EROFS}, 1},
      {Call::pwrite, {ENOSPC, EIO, EFBIG}, 5},
      {Call::fsync, {EIO, ENOSPC}, 2},
      {Call::close, {EIO, EDQUOT, EINTR}, 2},
      {Call::rename, {EACCES, EIO}, 1},
      {Call::open_folder, {EMFILE, EIO}, 1},
  };
  for (const auto& [kind, errors, count] : kinds) {
    for (const int error : errors) {
      for (const bool for_good : {false, true}) {
        for (int n = 0;; ++n) {
          SCOPED_TRACE(testing::Message() << "call " << static_cast<int>(kind) << " error " << error << " n "
                                          << n << " for good " << for_good);
          FailingFiles files([&, kind = kind](Call call, int nth) {
            return call == kind && (for_good ? nth >= n : nth == n) ? error : 0;
          });
          const bool refused = write(files);
          // Closing is over when a signal interrupts it, and the folder's descriptor has nothing to lose.
          const bool harmless = kind == Call::close && (error == EINTR || n == 1);
          EXPECT_EQ(refused, files.failed() && !harmless);
          EXPECT_THAT(names(), ElementsAre(file_.filename().string()));
          restore();
          if (!files.failed()) {
            EXPECT_EQ(n, count);
            break;
          }
        }
      }
    }
  }
}

TEST_F(FailingFilesTest, ADiskThatDiesAtAnyMomentLeavesTheOldOrTheNewFile) {
  bool died = true;
  for (int n = 0; died; ++n) {
    SCOPED_TRACE(n);
    int count = 0;
    FailingFiles files([&](Call, int) { return count++ >= n ? EIO : 0; });
    write(files);
    died = files.failed();
    const auto left = remove_temporaries(folder_.path());
    // All calls from create (0) to rename (8) but create itself leave one that cannot be removed any more.
    EXPECT_EQ(left, n >= 1 && n <= 8 ? 1 : 0);
    EXPECT_THAT(names(), ElementsAre(file_.filename().string()));
    restore();
  }
}

TEST_F(FailingFilesTest, ErrorsSayWhatFailed) {
  const auto error = [&](Call kind, int nth, int error) {
    FailingFiles files([=](Call call, int count) { return call == kind && count == nth ? error : 0; });
    return message_of<DataError>([&] { write_safetensors(file_, generation(2), files); });
  };
  EXPECT_EQ(error(Call::pwrite, 3, ENOSPC), "cannot write " + file_.string() + ": No space left on device");
  EXPECT_EQ(error(Call::fsync, 0, EIO), "cannot write " + file_.string() + ": Input/output error");
  EXPECT_EQ(error(Call::rename, 0, EACCES), "cannot replace " + file_.string() + ": Permission denied");
  EXPECT_EQ(error(Call::fsync, 1, EIO),
            "cannot sync the folder of " + file_.string() + ": Input/output error");
}

TEST_F(FailingFilesTest, AFolderThatCannotBeSyncedIsNoErrorWhereThereIsNoSuchThing) {
  FailingFiles files([](Call call, int count) { return call == Call::fsync && count == 1 ? EINVAL : 0; });
  write_safetensors(file_, generation(2), files);
  EXPECT_EQ(file_bytes(file_), new_);
}

TEST_F(FailingFilesTest, SignalsInterruptNothing) {
  FailingFiles files([](Call call, int count) {
    const bool may = call == Call::create || call == Call::pwrite || call == Call::fsync ||
                     call == Call::close || call == Call::open_folder;
    return may && count % 3 < 2 ? EINTR : 0;
  });
  write_safetensors(file_, generation(2), files);
  EXPECT_EQ(file_bytes(file_), new_);
}

/// Writes take at most so many bytes.
class ShortWrites : public FileSystem {
 public:
  explicit ShortWrites(size_t most) : most_(most) {}
  ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t position) override {
    return FileSystem::pwrite(descriptor, bytes, std::min(size, most_), position);
  }

 private:
  const size_t most_;
};

TEST_F(FailingFilesTest, ShortWritesGoOn) {
  for (const size_t most : {1, 2, 3, 5, 7, 8, 15, 16, 17, 100, 479, 480, 481}) {
    ShortWrites files(most);
    write_safetensors(file_, generation(2), files);
    EXPECT_EQ(file_bytes(file_), new_) << most;
    restore();
  }
}

TEST_F(FailingFilesTest, AWriteOfNothingIsAFullDiskAndNoLoop) {
  ShortWrites files(0);
  EXPECT_THAT(message_of<DataError>([&] { write_safetensors(file_, generation(2), files); }),
              HasSubstr("No space left"));
  EXPECT_EQ(file_bytes(file_), old_);
}

/// A disk with so much room, which nothing can be created on.
class Room : public FileSystem {
 public:
  explicit Room(std::optional<uint64_t> bytes) : bytes_(bytes) {}
  std::optional<uint64_t> free_bytes(const fs::path&) override { return bytes_; }
  int create(const fs::path& file, mode_t mode) override {
    begun = true;
    return FileSystem::create(file, mode);
  }
  bool begun = false;

 private:
  const std::optional<uint64_t> bytes_;
};

TEST_F(FailingFilesTest, WithoutRoomForAllOfItNothingIsBegun) {
  for (const uint64_t room : {uint64_t{0}, uint64_t{1}, uint64_t{new_.size() - 1}}) {
    Room files(room);
    EXPECT_EQ(message_of<DataError>([&] { write_safetensors(file_, generation(2), files); }),
              "cannot write " + file_.string() + ": it takes 1 MB, and 0 MB are free in " +
                  folder_.path().string() + "; make room there, or write elsewhere");
    EXPECT_FALSE(files.begun);
    EXPECT_EQ(file_bytes(file_), old_);
  }
  for (const auto room : {std::optional<uint64_t>(new_.size()), std::optional<uint64_t>()}) {
    Room files(room);
    write_safetensors(file_, generation(2), files);
    EXPECT_EQ(file_bytes(file_), new_);
    restore();
  }
}

TEST_F(FailingFilesTest, TheRealDiskIsAskedForItsRoom) {
  const auto refused = AllOf(HasSubstr("cannot write " + file_.string() + ": it takes 1152921504"),
                             HasSubstr(" MB are free in " + folder_.path().string() + ";"));
  const auto huge = torch::zeros({1}, at::kByte).expand({int64_t{1} << 60});
  EXPECT_THAT(message_of<DataError>([&] {
                write_safetensors(file_, {.tensors = {{"a", huge}}, .metadata = {}});
              }),
              refused);
  EXPECT_EQ(file_bytes(file_), old_);
  EXPECT_THAT(names(), ElementsAre(file_.filename().string()));
  const AtomicWriter fits(folder_.path() / "small", 1000);
  EXPECT_FALSE(FileSystem::real().free_bytes(folder_.path() / "none"));
  // Where nothing can be asked, creating says what is wrong.
  EXPECT_THAT(message_of<DataError>([&] { AtomicWriter(folder_.path() / "none" / "file", 1000); }),
              HasSubstr("cannot create"));
}

}  // namespace
}  // namespace rcnn::io
