#include <iostream>
#include <memory>

#include <spdlog/fmt/fmt.h>

#include "commands.h"

namespace rcnn::tools {

void add_config(CLI::App& app) {
  auto* command = app.add_subcommand("config", "look at configs");
  command->require_subcommand(1);
  auto* show = command->add_subcommand("show", "print the resolved config and the file each value came from");
  struct Arguments {
    std::string file;
    std::vector<std::string> overrides;
  };
  auto arguments = std::make_shared<Arguments>();
  show->add_option("config", arguments->file, "config file")->required();
  show->add_option("overrides", arguments->overrides, "key=value ...");
  show->callback([arguments] {
    const auto entries = config::Config::load(arguments->file, arguments->overrides).entries();
    size_t width = 0;
    for (const auto& entry : entries) width = std::max(width, entry.key.size() + entry.value.size());
    for (const auto& entry : entries) {
      std::cout << fmt::format("{:<{}}  # {}\n", fmt::format("{} = {}", entry.key, entry.value), width + 3,
                               entry.origin);
    }
  });
}

}  // namespace rcnn::tools
