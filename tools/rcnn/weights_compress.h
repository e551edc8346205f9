#pragma once

#include <CLI/CLI.hpp>

namespace rcnn::tools {

/// `rcnn weights compress`
void add_weights_compress(CLI::App& weights);

}  // namespace rcnn::tools
