#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <rcnn/error.h>
#include <rcnn/train/event_file.h>

#include "tests/support/message_of.h"
#include "tests/support/run_program.h"
#include "tests/support/temp_folder.h"

namespace rcnn::train {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string bytes_of(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

/// Bytes of the first record, the file's version.
constexpr size_t kVersionRecord = 12 + (9 + 2 + 2 + 13) + 4;

TEST(EventFile, IsNamedAsTensorBoardLooksForIt) {
  const TempFolder temp;
  const EventFile file(temp.path());
  EXPECT_EQ(file.path().parent_path(), temp.path());
  EXPECT_THAT(file.path().filename().string(), StartsWith("events.out.tfevents."));
  EXPECT_EQ(file_bytes(file.path()).size(), kVersionRecord);
  EXPECT_THAT(file_bytes(file.path()), HasSubstr("\x1a\x0d"
                                                 "brain.Event:2"));
}

// tensorboard 2.21's RecordWriter on Event(wall_time=1700000000.25, step=300, summary=Summary(value=[
// Summary.Value(tag="train/loss", simple_value=0.75), Summary.Value(tag="train/lr", simple_value=0.02)])).
TEST(EventFile, ScalarsAreTensorBoardsBytes) {
  const TempFolder temp;
  EventFile file(temp.path());
  file.add_scalars(300, 1700000000.25, std::vector<Scalar>{{"train/loss", 0.75f}, {"train/lr", 0.02f}});
  EXPECT_EQ(
      file_bytes(file.path()).substr(kVersionRecord),
      bytes_of("3200000000000000241956ec0900001040fc54d94110ac022a240a110a0a747261696e2f6c6f7373150000403f"
               "0a0f0a08747261696e2f6c72150ad7a33c8ee0b772"));
}

TEST(EventFile, TensorBoardReadsIt) {
  const TempFolder temp;
  EventFile file(temp.path());
  file.add_scalars(0, 1700000000.5,
                   std::vector<Scalar>{{"train/loss", 0.75f}, {std::string(200, 'x'), -0.0f}});
  file.add_scalars(int64_t{1} << 40, 1700000001.5, std::vector<Scalar>{{"train/loss", 1e-30f}});
  const auto read = run_program(RCNN_ORACLE_PYTHON, {RCNN_ORACLE "/read_events.py", temp.path()});
  if (read.exit_code == 77) GTEST_SKIP() << RCNN_ORACLE_PYTHON " has no tensorboard package";
  ASSERT_EQ(read.exit_code, 0) << read.err;
  const auto scalars = nlohmann::json::parse(read.out);
  EXPECT_EQ(scalars.size(), 2u);
  EXPECT_EQ(scalars.at(std::string(200, 'x')), nlohmann::json::parse("[[1700000000.5, 0, 0.0]]"));
  const auto& losses = scalars.at("train/loss");
  ASSERT_EQ(losses.size(), 2u);
  EXPECT_EQ(losses[0], nlohmann::json::parse("[1700000000.5, 0, 0.75]"));
  EXPECT_EQ(losses[1][1], int64_t{1} << 40);
  EXPECT_EQ(losses[1][2].get<float>(), 1e-30f);
}

TEST(EventFile, TensorBoardDropsWhatARestartedRunDoesAnew) {
  const TempFolder temp;
  {
    EventFile file(temp.path());
    for (int64_t step = 1; step <= 4; ++step) {
      file.add_scalars(step, 1700000000.0, std::vector<Scalar>{{"train/loss", 0.5f}});
    }
  }
  EventFile file(temp.path());
  file.restart_at(3, 1700000002.0);
  file.add_scalars(3, 1700000002.0, std::vector<Scalar>{{"train/loss", 0.25f}});
  const auto read = run_program(RCNN_ORACLE_PYTHON, {RCNN_ORACLE "/read_events.py", temp.path()});
  if (read.exit_code == 77) GTEST_SKIP() << RCNN_ORACLE_PYTHON " has no tensorboard package";
  ASSERT_EQ(read.exit_code, 0) << read.err;
  EXPECT_EQ(
      nlohmann::json::parse(read.out).at("train/loss"),
      nlohmann::json::parse("[[1700000000.0, 1, 0.5], [1700000000.0, 2, 0.5], [1700000002.0, 3, 0.25]]"));
}

TEST(EventFile, SaysSoWhenItCannotBeWritten) {
  EXPECT_THAT(message_of<DataError>([] { EventFile("/no/such/folder"); }), HasSubstr("/no/such/folder"));
}

}  // namespace
}  // namespace rcnn::train
