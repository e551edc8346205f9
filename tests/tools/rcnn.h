#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/run_program.h"
#include "tests/support/tiny_model.h"
#include "tests/tools/standby.h"

namespace rcnn::tools {

/// The program, loaded.
inline const Standby& standby() {
  static const Standby program(RCNN_STANDBY);
  return program;
}

/// Runs the built program with RCNN_DATA naming `data`.
inline Finished run_rcnn(const std::vector<std::string>& arguments, const std::filesystem::path& data = {}) {
  const std::vector<std::string> environment = {"RCNN_DATA=" + data.string()};
  // What scores files does without LibTorch, and starts in milliseconds.
  const bool is_quick =
      std::ranges::any_of(arguments, [](const auto& word) { return word == "--annotations"; }) &&
      arguments.front() == "eval";
  return is_quick ? run_program(RCNN_PROGRAM, arguments, environment) : standby().run(arguments, environment);
}

/// What the program said when it failed: one line on stderr, nothing on stdout.
inline std::string error_of(const Finished& finished, int exit_code) {
  EXPECT_EQ(finished.exit_code, exit_code) << finished.err;
  EXPECT_EQ(finished.out, "");
  EXPECT_TRUE(finished.err.starts_with("error: ")) << finished.err;
  EXPECT_EQ(std::ranges::count(finished.err, '\n'), 1) << finished.err;
  EXPECT_TRUE(finished.err.ends_with('\n')) << finished.err;
  return finished.err;
}

/// A config for data in the folder `scenes` that trains three iterations on the CPU in a moment.
inline std::string tiny_config() {
  return std::string(R"({
  "model": )") +
         kTinyModel + R"(,
  "data": {
    "root": "scenes", "classes": ["circle", "cross", "square", "star", "triangle"],
    "min_size": 64, "max_size": 96, "workers": 1
  },
  "train": {"iterations": 3, "batch_size": 2, "lr": 0.01, "log_period": 1}
})";
}

}  // namespace rcnn::tools
