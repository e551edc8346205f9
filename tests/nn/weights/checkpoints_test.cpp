// Weights as trainings and wrappers of the field leave them, made by tests/oracle/make_checkpoints.py.

#include <filesystem>

#include <gmock/gmock.h>

#include <rcnn/io/torch_file.h>
#include <rcnn/nn/models/detection_model.h>
#include <rcnn/nn/models/model_file.h>
#include <rcnn/nn/weights/convert_weights.h>
#include <rcnn/nn/weights/weight_diff.h>

#include "tests/support/run_program.h"
#include "tests/support/temp_folder.h"

namespace rcnn::nn {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCheckpointConfig = R"({"model": {
    "type": "faster_rcnn",
    "backbone": {"type": "resnet18", "width": 4, "levels": ["c2", "c3", "c4", "c5"]},
    "neck": {"type": "fpn", "channels": 8},
    "rpn": {"anchors": {"sizes": [16, 32, 64, 128, 256]}},
    "roi": {"head": {"type": "mlp", "hidden": 8}}}})";

TEST(Checkpoints, EveryWrapperGivesTheSameWeights) {
  torch::manual_seed(3);
  const auto config = config::Config::parse(kCheckpointConfig, "test");
  const auto tensors = state_of(*make_detection_model(config.root().child("model"), 2));
  const TempFolder folder;
  io::write_torch(folder.path() / "in.pth", tensors);
  const auto made = folder.path() / "made";
  const auto python =
      run_program(RCNN_ORACLE_PYTHON, {RCNN_ORACLE "/make_checkpoints.py", folder.path() / "in.pth", made});
  if (python.exit_code == 77) GTEST_SKIP() << python.out;
  ASSERT_EQ(python.exit_code, 0) << python.err;

  int seen = 0;
  for (const auto& entry : fs::directory_iterator(made)) {
    SCOPED_TRACE(entry.path().filename());
    const bool averaged = entry.path().filename().string().starts_with("averaged-");
    const ReadOptions options{.averages = averaged ? io::Averages::take : io::Averages::leave_out};
    const auto read = read_weights(entry.path(), {}, options);
    EXPECT_TRUE(diff_weights(read.tensors, tensors).same());
    EXPECT_NE(read.summary, "");
    EXPECT_EQ(read.summary.find('\n'), std::string::npos);
    // All of it fits the model.
    const auto out = folder.path() / (entry.path().stem().string() + ".safetensors");
    EXPECT_TRUE(convert_weights(entry.path(), out, {.config = config, .read = options}).fresh.empty());
    EXPECT_TRUE(diff_weights(state_of(*load_model(out).model), tensors).same());
    ++seen;
  }
  EXPECT_GT(seen, 40);
}

}  // namespace
}  // namespace rcnn::nn
