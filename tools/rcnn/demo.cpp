#include <memory>

#include <spdlog/fmt/fmt.h>

#include <rcnn/io/files/new_folder.h>
#include <rcnn/log.h>

#include "commands.h"
#include "demo/scenes.h"
#include "demo_config.h"

namespace rcnn::tools {
namespace {

void run(const std::filesystem::path& output, const std::vector<std::string>& overrides) {
  io::make_new_folder(output);  // its own, so that no other run's files get among the demo's
  const auto folder = std::filesystem::absolute(output);
  const auto scenes = folder / "scenes", unseen = folder / "unseen", pictures = folder / "detections";
  log::info(fmt::format("drawing a data set in {}", scenes.string()));
  draw_scenes(scenes, {});
  draw_scenes(unseen, {.train = 0, .test = 12, .seed = 1});

  auto changes = overrides;
  changes.push_back(fmt::format("data.root={}", scenes.string()));
  const auto weights =
      train({.config = config::Config::parse(kDemoConfig, "configs/quick/demo.json", changes),
             .output = folder / "run",
             .device = "cpu"});
  detect({.weights = weights, .inputs = {unseen / "JPEGImages"}, .output = pictures});
  log::info(fmt::format("look at the pictures in {}", pictures.string()));
}

}  // namespace

void add_demo(CLI::App& app) {
  auto* command =
      app.add_subcommand("demo", "draw a small data set, train on it, score and detect: minutes on a CPU");
  struct Arguments {
    std::filesystem::path output = "runs/demo";
    std::vector<std::string> overrides;
  };
  auto arguments = std::make_shared<Arguments>();
  command->add_option("--output", arguments->output, "folder for everything; new or empty")
      ->capture_default_str();
  command->add_option("overrides", arguments->overrides,
                      "key=value ..., instead of what the demo's config says");
  command->callback([arguments] { run(arguments->output, arguments->overrides); });
}

}  // namespace rcnn::tools
