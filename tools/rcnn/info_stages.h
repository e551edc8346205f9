#pragma once

#include <functional>

#include <rcnn/config/config.h>
#include <rcnn/train/stages.h>

namespace rcnn::tools {

/// Prints what each stage of a chain is: its kind, its model, what it needs of earlier stages and of weights,
/// and, where it trains, what learns. `classes_of` counts the classes of a stage's data.
void print_stages(const train::Chain& chain, bool json,
                  const std::function<int64_t(const config::Config&)>& classes_of);

/// The stage of that name. Throws ConfigError with the names that there are.
const train::Stage& stage_named(const train::Chain& chain, const std::string& name);

}  // namespace rcnn::tools
