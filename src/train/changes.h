#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include <rcnn/train/run.h>

namespace rcnn::train {

/// What a run was started with and has no longer.
struct Changes {
  std::vector<std::string> texts;
  bool of_scores = false;  ///< scores are others than they were
};

/// Between what two configs give. data.workers is left out, for any number of them gives the same batches; a
/// stage's file in `folder`, that of a chain, may have lain in another one, which was moved.
Changes changes_between(const config::Config& before, const config::Config& now,
                        const std::filesystem::path& folder);

/// Between the run that left a state and `training`, whose data have the fingerprint `now`.
Changes changes_since(const RunFolder::Found& state, const Training& training, const at::Tensor& now);

/// Throws ConfigError with what has changed, unless it goes on anyway.
void refuse_changes(std::vector<std::string> changed, const std::filesystem::path& folder,
                    Run::Resume resume);

/// The first few, and how many more there are.
std::string some_of(std::vector<std::string> texts, std::string_view separator);

/// The key in a state of what tells its data from others.
inline constexpr const char* kFingerprint = "fingerprint";

}  // namespace rcnn::train
