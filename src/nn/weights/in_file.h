#pragma once

#include <filesystem>

#include <spdlog/fmt/fmt.h>

#include <rcnn/error.h>

namespace rcnn::nn {

/// Runs `action`; a WeightsError of it gets the file's name in front.
template <class Action>
auto in_file(const std::filesystem::path& file, Action action) {
  try {
    return action();
  } catch (const WeightsError& error) {
    throw WeightsError(fmt::format("{}: {}", file.string(), error.what()));
  }
}

}  // namespace rcnn::nn
