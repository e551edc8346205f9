#pragma once

#include <span>
#include <string_view>

namespace rcnn::tools {

/// What --help prints after the words of a command.
struct HelpPage {
  std::span<const std::string_view> command;  ///< "data", "check"; empty for the program itself
  std::string_view text;
};

/// One for every command, written by write_help_pages.cpp when the program is built.
std::span<const HelpPage> help_pages();

}  // namespace rcnn::tools
