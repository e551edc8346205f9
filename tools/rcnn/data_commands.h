#pragma once

#include <filesystem>
#include <vector>

#include <CLI/CLI.hpp>

#include <rcnn/data/tools/locate.h>

/// The commands under `rcnn data`, a file each.
namespace rcnn::tools {

/// What names a data set on the command line: DATASET [--from TYPE] [--split NAME ...] [--images DIR].
struct DatasetArguments {
  std::filesystem::path dataset;
  data::LocateOptions locate;

  std::vector<data::DatasetPart> parts() const { return data::locate(dataset, locate); }

  /// For a command that takes one alone. Throws ConfigError, which lists them, where there are several.
  data::DatasetPart only_part() const;
};
void add_dataset(CLI::App& command, DatasetArguments& arguments);

/// Its options alone, for a command that takes several; kDatasetHelp says what may be one.
void add_locate(CLI::App& command, data::LocateOptions& options);
extern const char* const kDatasetHelp;

/// key=value ... after the data set, for one that is a config.
void add_overrides(CLI::App& command, data::LocateOptions& options);

/// What a config says of bad entries and classes: --max-megapixels, --bad-boxes, --bad-values, --bad-images,
/// --classes, --other-classes, --yolo-lines.
void add_policies(CLI::App& command, data::LocateOptions& options);

void add_data_anchors(CLI::App& app);
void add_data_check(CLI::App& app);
void add_data_convert(CLI::App& app);
void add_data_show(CLI::App& app);
void add_data_split(CLI::App& app);

}  // namespace rcnn::tools
