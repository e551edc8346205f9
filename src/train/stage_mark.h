#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <rcnn/train/stages.h>

namespace rcnn::train {

/// "12-name"
bool is_stage_folder(std::string_view name);

/// What a stage is made from: a file that is written when it begins, and again when it is done.
struct StageMark {
  config::Config config;
  std::map<std::string, std::string> inputs;  ///< see StageKind::inputs
  /// Of a stage that is done, the files that later ones may name, each with a number of its bytes.
  std::map<std::string, std::string> products = {};

  static constexpr std::string_view kBegun = ".begun.json";

  /// OUTPUT/2-fast.begun.json, while the stage is not done: its own folder has to be new.
  static std::filesystem::path of_begun(const Stage& stage);
  /// OUTPUT/2-fast/done.json
  static std::filesystem::path of_done(const Stage& stage);

  /// None where there is no file; nor where it is damaged, which is logged.
  static std::optional<StageMark> read(const std::filesystem::path& file);

  void write(const std::filesystem::path& file) const;

  /// Of what the stage leaves, by name.
  static std::map<std::string, std::string> products_of(const Stage& stage,
                                                        const std::vector<std::string>& names);

  /// What the inputs that are there `now` have otherwise.
  std::vector<std::string> changed_inputs(const std::map<std::string, std::string>& now) const;
};

}  // namespace rcnn::train
