#include <cstdio>
#include <iostream>

#include <c10/util/Exception.h>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/image.h>
#include <rcnn/error.h>
#include <rcnn/version.h>

#include "commands.h"

namespace {

constexpr int kUsageError = 2, kMemoryError = 5;

std::string version_text() {
  const auto cuda = rcnn::cuda_version();
  return fmt::format("rcnn {}\nLibTorch {}\nCUDA {}\nOpenCV {}", rcnn::version(), rcnn::torch_version(),
                     cuda.empty() ? "none" : fmt::format("{} ({})", cuda, rcnn::cuda_architectures()),
                     rcnn::data::opencv_version());
}

int fail(const std::string& message, int exit_code) {
  std::cerr << "error: " << message << std::endl;
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("rcnn: train two-stage object detectors, score them, and detect with them", "rcnn");
  bool verbose = false;
  app.set_version_flag("--version", version_text);
  app.add_flag("-v,--verbose", verbose, "show where inside the program an error arose");
  app.require_subcommand(1);
  app.fallthrough();
  rcnn::tools::add_train(app);
  rcnn::tools::add_lr_find(app);
  rcnn::tools::add_eval(app);
  rcnn::tools::add_detect(app);
  rcnn::tools::add_report(app);
  rcnn::tools::add_demo(app);
  rcnn::tools::add_data(app);
  rcnn::tools::add_weights(app);
  rcnn::tools::add_config(app);
  rcnn::tools::add_info(app);
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success);
  } catch (const CLI::RuntimeError& error) {  // a command's own exit code, its message already given
    return error.get_exit_code();
  } catch (const CLI::RequiredError& error) {
    // What is missing may be there, misspelt.
    const auto unknown = app.remaining(true);
    const auto found = unknown.empty() ? "" : fmt::format("{} is not known here; ", unknown.front());
    return fail(fmt::format("{}{}; see rcnn --help", found, error.what()), kUsageError);
  } catch (const CLI::ParseError& error) {
    return fail(fmt::format("{}; see rcnn --help", error.what()), kUsageError);
  } catch (const rcnn::Error& error) {
    return fail(error.what(), error.exit_code());
  } catch (const std::exception& error) {
    if (rcnn::is_out_of_memory(error)) return fail("memory ran out; lower data.max_size", kMemoryError);
    const auto* from_torch = dynamic_cast<const c10::Error*>(&error);
    return fail(from_torch && !verbose ? from_torch->what_without_backtrace() : error.what(), 1);
  }
}
