#pragma once

#include <CLI/CLI.hpp>

namespace rcnn::tools {

/// The whole command line of the program. Stays where it is made: its options point to its own values.
struct CommandLine {
  CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  CLI::App app;
  bool verbose = false;
};

}  // namespace rcnn::tools
