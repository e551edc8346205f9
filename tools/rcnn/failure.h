#pragma once

#include <exception>
#include <string>

namespace rcnn::tools {

/// Says on stderr what went wrong, and returns the exit code.
int fail(const std::string& message, int exit_code);

/// The same for an error that is not LibTorch's own.
int fail(const std::exception& error);

}  // namespace rcnn::tools
