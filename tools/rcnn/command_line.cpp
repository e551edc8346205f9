#include "command_line.h"

#include <cmath>
#include <limits>
#include <string>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/images/image.h>
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

/// Refuses NaN, which passes every comparison of a range, and what is infinite, in all numbers of a command
/// and of those below it.
void take_finite_numbers_alone(CLI::App& app) {
  const CLI::Validator finite(
      [](const std::string& word) {
        double number = 0;
        const bool is_number =
            CLI::detail::lexical_cast(word, number);  // what is none is said by who reads it
        const bool fits = !is_number || std::abs(number) <= std::numeric_limits<float>::max();
        return fits ? std::string() : word + " is not a finite number";
      },
      /*validator_desc=*/"");
  for (auto* option : app.get_options()) {
    if (option->get_type_name().starts_with("FLOAT")) option->check(finite);
  }
  for (auto* command : app.get_subcommands([](CLI::App*) { return true; }))
    take_finite_numbers_alone(*command);
}

}  // namespace

CLI::Option* add_precision(CLI::App& command, nn::Precision& precision) {
  return command
      .add_option_function<std::string>(
          "--precision",
          [&precision](const std::string& word) {
            precision = word == "bf16" ? nn::Precision::bf16 : nn::Precision::fp32;
          },
          "fp32 or bf16, which is faster where the processor has it [fp32]")
      ->check(CLI::IsMember({"fp32", "bf16"}));
}

std::vector<const CLI::Option*> add_refinement(CLI::App& command, DetectorOptions& options) {
  return {
      command
          .add_option("--iterations", options.iterations,
                      "how often the network looks: 2 refines what it finds once more [the model's]")
          ->check(CLI::Range(1, 16)),
      command
          .add_option("--box-voting", options.box_voting,
                      "boxes become means of the candidates that overlap them by this IoU or more; 0: they "
                      "stay [the model's]")
          ->check(CLI::Range(0.0, 1.0))};
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
  add_propose(app);
  add_report(app);
  add_demo(app);
  add_data(app);
  add_weights(app);
  add_config(app);
  add_info(app);
  take_finite_numbers_alone(app);
}

}  // namespace rcnn::tools
