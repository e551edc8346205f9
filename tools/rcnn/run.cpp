#include <new>

#include <c10/util/Exception.h>
#include <spdlog/fmt/fmt.h>

#include <rcnn/error.h>
#include <rcnn/export.h>

#include "command_line.h"
#include "decoder_words.h"
#include "failure.h"

/// What the launcher (main.cpp) calls: runs the program and returns its exit code.
extern "C" RCNN_EXPORT int rcnn_run(int argc, char** argv) {
  constexpr int kUsageError = 2;
  using rcnn::tools::fail;
  const rcnn::tools::WithoutDecoderWords without_decoder_words;
  rcnn::tools::CommandLine line;
  try {
    line.app.parse(argc, argv);
    return 0;
  } catch (const CLI::Success& success) {  // --help, --version
    return line.app.exit(success);
  } catch (const CLI::RuntimeError& error) {  // a command's own exit code, its message already given
    return error.get_exit_code();
  } catch (const CLI::RequiredError& error) {
    // What is missing may be there, misspelt.
    const auto unknown = line.app.remaining(true);
    const auto found = unknown.empty() ? "" : fmt::format("{} is not known here; ", unknown.front());
    return fail(fmt::format("{}{}; see rcnn --help", found, error.what()), kUsageError);
  } catch (const CLI::ParseError& error) {
    return fail(fmt::format("{}; see rcnn --help", error.what()), kUsageError);
  } catch (const std::exception& error) {
    if (rcnn::is_out_of_memory(error)) return fail(std::bad_alloc());
    const auto* from_torch = dynamic_cast<const c10::Error*>(&error);
    return from_torch && !line.verbose ? fail(from_torch->what_without_backtrace(), 1) : fail(error);
  }
}
