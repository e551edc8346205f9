#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <torch/torch.h>
#include <unistd.h>

#include <rcnn/io/files/atomic_file.h>
#include <rcnn/io/safetensors.h>

#include "io/safetensors.h"
#include "tests/io/files/killing_files.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn::io {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kValues = 50'000, kTensors = 8;

/// No operation of LibTorch makes it: they may wait for threads, of which a forked process has none.
SafeTensors generation(int64_t number, std::vector<int64_t>& values) {
  values.assign(kValues, number);
  SafeTensors content{.tensors = {}, .metadata = {{"generation", std::to_string(number)}}};
  for (int64_t i = 0; i < kTensors; ++i) {
    content.tensors["tensor " + std::to_string(i)] = torch::from_blob(values.data(), {kValues}, at::kLong);
  }
  return content;
}

/// The generation that lies there; a failure where it is not whole.
int64_t read_generation(const fs::path& file) {
  const auto found = read_safetensors(file);  // verifies the checksum
  const auto number = std::stoll(found.metadata.at("generation"));
  EXPECT_EQ(found.tensors.size(), kTensors);
  for (const auto& [name, tensor] : found.tensors) {
    EXPECT_EQ(tensor.numel(), kValues);
    EXPECT_TRUE(tensor.eq(number).all().item<bool>()) << name << " of generation " << number;
  }
  return number;
}

/// A number that this process and those it forks see.
class SharedNumber {
 public:
  SharedNumber()
      : number_(static_cast<std::atomic<int64_t>*>(
            mmap(nullptr, sizeof *number_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  ~SharedNumber() { munmap(number_, sizeof *number_); }
  SharedNumber(const SharedNumber&) = delete;
  SharedNumber& operator=(const SharedNumber&) = delete;
  std::atomic<int64_t>& operator*() const { return *number_; }

 private:
  std::atomic<int64_t>* const number_;
};

/// Writes one generation after the other until it is killed.
[[noreturn]] void write_forever(const fs::path& file, std::atomic<int64_t>& complete) {
  try {
    std::vector<int64_t> values;
    for (int64_t number = complete + 1;; ++number) {
      write_safetensors(file, generation(number, values));
      complete = number;
    }
  } catch (...) {
    _exit(1);
  }
}

size_t count_files(const fs::path& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(KilledWriter, AtEachOfItsCallsLeavesTheOldOrTheNewGeneration) {
  for (const bool half : {false, true}) {
    bool killed = true, was_new = false;
    int with_rest = 0;
    for (int call = 0; killed; ++call) {
      SCOPED_TRACE(testing::Message() << "call " << call << (half ? ", half of it" : ""));
      const TempFolder folder;
      const fs::path file = folder.path() / "last.safetensors";
      std::vector<int64_t> values;
      write_safetensors(file, generation(1, values));
      killed = is_killed([&] {
        KillingFiles files(call, half);
        write_safetensors(file, generation(2, values), files);
      });
      const int64_t found = read_generation(file);
      EXPECT_TRUE(found == 1 || found == 2);
      EXPECT_TRUE(found == 2 || !was_new) << "once it is there, it stays";
      was_new = found == 2;
      EXPECT_TRUE(was_new || killed);
      const auto left = remove_temporaries(folder.path());
      // It has a temporary file from after the first call until that has the name.
      EXPECT_EQ(left, call > 0 && !was_new ? 1 : 0);
      with_rest += left == 1;
      EXPECT_EQ(count_files(folder.path()), 1);
    }
    EXPECT_GE(with_rest, 4) << "write, sync, close, rename";
  }
}

TEST(KilledWriter, LeavesAWholeGenerationNotOlderThanTheLastCompleteNightly) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const TempFolder folder;
  const fs::path file = folder.path() / "last.safetensors";
  const SharedNumber complete;
  std::vector<int64_t> values;
  write_safetensors(file, generation(*complete = 1, values));

  using std::chrono::microseconds;
  int killed_within_a_write = 0, killed_after_one = 0;
  for (int round = 0; round < 200; ++round) {
    const int64_t before = *complete;
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) write_forever(file, *complete);
    // Every second one is killed later than its first write, however slow the disk is.
    while (round % 2 == 1 && *complete == before && waitpid(child, nullptr, WNOHANG) == 0) {
      std::this_thread::sleep_for(microseconds(100));
    }
    std::this_thread::sleep_for(microseconds(random() % 30'000));
    ASSERT_EQ(kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer stopped by itself in round " << round;

    const int64_t found = read_generation(file);
    EXPECT_GE(found, *complete) << "round " << round;
    EXPECT_LE(found, *complete + 1) << "round " << round;
    killed_after_one += *complete > before;
    const auto left = remove_temporaries(folder.path());
    EXPECT_LE(left, 1);
    killed_within_a_write += left == 1;
    EXPECT_EQ(count_files(folder.path()), 1);
    *complete = found;
  }
  // Otherwise the moments were not those that matter.
  EXPECT_GT(killed_within_a_write, 0);
  EXPECT_GE(killed_after_one, 100);
}

TEST(RemoveTemporaries, TakesTheirNamesAlone) {
  const TempFolder folder;
  for (const char* name :
       {"a.tmp.1.0", "last.safetensors.tmp.4242.17", "new\nline.tmp.1.2", "x.tmp.1.0.tmp.2.3"})
    folder.write(name, "rest");
  const std::vector<std::string> others = {"a",        "a.tmp",      "a.tmp.1",    "a.tmp.1.",
                                           "a.tmp..1", "a.tmp.1.0x", "a.tmp.-1.0", "a.tmp.1.0.bak",
                                           ".tmp.1.0", "a.TMP.1.0",  "tmp.1.0",    "a.tmp.1,0"};
  for (const auto& name : others) folder.write(name, "mine");
  folder.write("folder.tmp.1.0/a", "mine");
  folder.write("below/a.tmp.1.0", "mine");
  fs::create_symlink("a", folder.path() / "link.tmp.1.0");

  EXPECT_EQ(remove_temporaries(folder.path()), 4);
  EXPECT_EQ(remove_temporaries(folder.path()), 0);
  std::vector<std::string> left;
  for (const auto& entry : fs::recursive_directory_iterator(folder.path()))
    left.push_back(entry.path().lexically_relative(folder.path()));
  auto expected = others;
  expected.insert(expected.end(),
                  {"folder.tmp.1.0", "folder.tmp.1.0/a", "below", "below/a.tmp.1.0", "link.tmp.1.0"});
  EXPECT_THAT(left, testing::UnorderedElementsAreArray(expected));
  EXPECT_EQ(message_of<DataError>([&] { remove_temporaries(folder.path() / "none"); }),
            "cannot list the folder " + (folder.path() / "none").string() + ": No such file or directory");
}

}  // namespace
}  // namespace rcnn::io
