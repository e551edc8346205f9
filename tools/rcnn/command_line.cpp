#include "command_line.h"

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/image.h>
#include <rcnn/version.h>

#include "commands.h"

namespace rcnn::tools {
namespace {

std::string version_text() {
  const auto cuda = cuda_version();
  return fmt::format("rcnn {}\nLibTorch {}\nCUDA {}\nOpenCV {}", version(), torch_version(),
                     cuda.empty() ? "none" : fmt::format("{} ({})", cuda, cuda_architectures()),
                     data::opencv_version());
}

}  // namespace

void add_precision(CLI::App& command, nn::Precision& precision) {
  command
      .add_option_function<std::string>(
          "--precision",
          [&precision](const std::string& word) {
            precision = word == "bf16" ? nn::Precision::bf16 : nn::Precision::fp32;
          },
          "fp32 or bf16, which is faster where the processor has it [fp32]")
      ->check(CLI::IsMember({"fp32", "bf16"}));
}

CommandLine::CommandLine()
    : app("rcnn: train two-stage object detectors, score them, and detect with them", "rcnn") {
  app.set_version_flag("--version", version_text);
  app.add_flag("-v,--verbose", verbose, "show where inside the program an error arose");
  app.require_subcommand(1);
  app.fallthrough();
  add_train(app);
  add_lr_find(app);
  add_eval(app);
  add_detect(app);
  add_report(app);
  add_demo(app);
  add_data(app);
  add_weights(app);
  add_config(app);
  add_info(app);
}

}  // namespace rcnn::tools
