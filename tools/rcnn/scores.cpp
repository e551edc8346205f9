// The module that scores files, `rcnn eval --annotations --detections`, without LibTorch and OpenCV: loading
// these takes longer and needs more memory than the scores do.

#include <CLI/CLI.hpp>

#include <rcnn/export.h>

#include "failure.h"
#include "score_files.h"

/// What the launcher (main.cpp) calls. Returns false, with nothing done, for a command line that asks for
/// anything else, or wrongly: the commands answer that.
extern "C" RCNN_EXPORT bool rcnn_score_files(int argc, char** argv, int* exit_code) {
  CLI::App app;
  app.add_flag("-v,--verbose");
  app.require_subcommand(1);
  app.fallthrough();
  rcnn::tools::ScoreFilesArguments arguments;
  rcnn::tools::add_score_files(*app.add_subcommand("eval"), arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Error&) {
    return false;
  }
  if (arguments.annotations.empty() || arguments.detections.empty()) return false;
  try {
    rcnn::tools::score_files(arguments);
    *exit_code = 0;
  } catch (const std::exception& error) {
    *exit_code = rcnn::tools::fail(error);
  }
  return true;
}
