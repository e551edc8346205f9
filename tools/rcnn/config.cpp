#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <spdlog/fmt/fmt.h>

#include <rcnn/config/config.h>
#include <rcnn/train/stages.h>

#include "commands.h"

namespace rcnn::tools {
namespace {

void print_entries(const std::vector<config::Config::Entry>& entries) {
  size_t width = 0;
  for (const auto& entry : entries) width = std::max(width, entry.key.size() + entry.value.size());
  for (const auto& entry : entries) {
    std::cout << fmt::format("{:<{}}  # {}\n", fmt::format("{} = {}", entry.key, entry.value), width + 3,
                             entry.origin);
  }
}

}  // namespace

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
    const auto config = config::Config::load(arguments->file, arguments->overrides);
    if (!train::Chain::is_one(config)) return print_entries(config.entries());
    const train::Chain chain(config, "OUTPUT");
    const auto common = config.without("stages").entries();
    print_entries(common);
    const auto by_name = [&](const std::string&, const std::string& value) {
      for (const auto& [name, kind, made, folder, products] : chain.stages()) {
        const auto begin = folder.string() + "/";
        if (value.starts_with(begin)) return fmt::format("stage:{}/{}", name, value.substr(begin.size()));
      }
      return value;
    };
    for (const auto& stage : chain.stages()) {
      std::cout << fmt::format("\n# stage {}, of the kind {}: as above, but\n",
                               stage.folder.filename().string(), stage.kind);
      const auto resolved = stage.config.replaced(by_name);
      auto own = resolved.entries();
      for (const auto& [key, was, is] : config::differences(config.without("stages"), resolved)) {
        if (is.empty()) own.push_back({.key = key, .value = "absent", .origin = "null takes it away"});
      }
      std::erase_if(own, [&](const config::Config::Entry& entry) {
        return std::ranges::any_of(common, [&](const config::Config::Entry& other) {
          return other.key == entry.key && other.value == entry.value;
        });
      });
      print_entries(own);
    }
  });
}

}  // namespace rcnn::tools
