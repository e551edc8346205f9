// That the benchmark runs at all: its figures are nobody's test.

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <rcnn/io/safetensors.h>
#include <rcnn/ops/nms.h>

#include "tests/support/run_program.h"
#include "tests/support/tensors.h"

namespace rcnn::bench {
namespace {

using testing::HasSubstr;

Finished run_bench(const std::vector<std::string>& arguments) {
  return run_program(RCNN_BENCH_OPS, arguments);
}

TEST(BenchOps, TimesEveryOperator) {
  const auto finished =
      run_bench({"--benchmark_filter=^(nms/1000|batched_nms/12000/groups:80|match_boxes/268569x1|"
                 "roi_align/128/levels:4/float32/channels_last/forward|roi_pool/128/bfloat16/contiguous/"
                 "(forward|backward|forward_backward)|deform_conv/c5/dilation:3/float32/contiguous/"
                 "forward_backward)/real_time$",
                 "--benchmark_min_time=0.01", "--benchmark_format=json"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  const auto report = nlohmann::json::parse(finished.out);
  EXPECT_EQ(report.at("context").at("device"), "cpu");
  EXPECT_EQ(report.at("benchmarks").size(), 8);
  for (const auto& figures : report.at("benchmarks")) {
    EXPECT_GT(figures.at("real_time"), 0) << figures;
    EXPECT_GT(figures.at("bytes_per_second"), 0) << figures;
  }
}

TEST(BenchOps, DumpsWhatItRan) {
  const TempFolder folder;
  const std::string file = folder.path() / "nms.safetensors";
  const auto finished =
      run_bench({"--dump", file, "--benchmark_filter=^nms/1000/", "--benchmark_min_time=0.01"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  const auto tensors = io::read_safetensors(file).tensors;
  EXPECT_EQ(tensors.size(), 3);
  const auto& boxes = tensors.at("nms/1000/inputs/boxes");
  EXPECT_EQ(boxes.size(0), 1000);
  EXPECT_TRUE(test::identical(tensors.at("nms/1000/results/kept"),
                              ops::nms(boxes, tensors.at("nms/1000/inputs/scores"), 0.7)));
}

TEST(BenchOps, AWrongCommandLineIsOneLineAndExitCode2) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--benchmark_fliter=nms"}, "unrecognized command-line flag: --benchmark_fliter=nms"},
      {{"--benchmark_filter=no_such_case"}, "no_such_case"},
      {{"--device", "tpu"}, "--device tpu: expected cpu or cuda"},
      {{"--dump"}, "--dump: a value has to follow"},
  };
  for (const auto& [arguments, message] : cases) {
    const auto finished = run_bench(arguments);
    EXPECT_EQ(finished.exit_code, 2) << message;
    EXPECT_EQ(finished.out, "") << message;
    EXPECT_THAT(finished.err, HasSubstr(message));
    EXPECT_EQ(std::ranges::count(finished.err, '\n'), 1) << finished.err;
  }
}

}  // namespace
}  // namespace rcnn::bench
