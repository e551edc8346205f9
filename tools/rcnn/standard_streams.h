#pragma once

#include <functional>

namespace rcnn::tools {

/// Comes first in main: makes what happens to stdin, stdout and stderr an error of the call that meets it,
/// instead of the end of the program or of a file. A reader that went away (SIGPIPE) and a file that may not
/// grow any more (SIGXFSZ) are no signals; a descriptor that is closed is taken by one that refuses all use,
/// so that no file opened later gets its number, and messages with it.
void prepare_standard_streams();

/// Runs `command`, whose output goes to std::cout, and returns its exit code. When not all of its output
/// could be written that is 3, said in a line on stderr; 141, and nothing is said, when the reader of stdout
/// went away. A write that fails does not stop the command: what it does besides is done. Output is buffered,
/// on a terminal line by line.
int with_checked_stdout(const std::function<int()>& command);

}  // namespace rcnn::tools
