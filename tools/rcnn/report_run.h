#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <rcnn/eval/input/coco_input.h>
#include <rcnn/io/files/output_file.h>
#include <rcnn/vis/evaluation.h>

namespace rcnn::tools {

struct ReportRunArguments {
  std::filesystem::path weights;       ///< empty: the run's best ones, or else its last
  std::vector<std::string> overrides;  ///< "key=value" of its config
  std::string device = "auto";
};

/// Reads images for a report. The first one that cannot be read becomes a warning there.
class ImageReader {
 public:
  explicit ImageReader(vis::Report& report) : report_(report) {}
  std::optional<vis::NamedImage> read(const std::string& name, const std::filesystem::path& file);

 private:
  vis::Report& report_;
  bool warned_ = false;
};

/// What eval and report score alike, for the page: its warnings become notes of the report.
vis::EvaluationInput evaluation_input(eval::CocoInput input, vis::Report& report);

/// What a run's folder has to tell: its metrics, and what its weights find on the test part of its data.
/// Where there are no weights or no data, a warning in the report says so. Throws ConfigError for a folder
/// without a run and WeightsError for weights that do not fit. The run's data become inputs of `output`.
vis::Report report_of_run(const std::filesystem::path& folder, const ReportRunArguments& arguments,
                          const vis::EvaluationOptions& options, io::OutputFile& output);

}  // namespace rcnn::tools
