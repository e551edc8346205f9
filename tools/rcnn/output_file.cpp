#include "output_file.h"

#include <utility>
#include <vector>

#include <spdlog/fmt/fmt.h>

#include <rcnn/train/run_folder.h>

namespace rcnn::tools {

namespace fs = std::filesystem;

io::OutputFile output_file(std::string option, const fs::path& file, std::span<const fs::path> inputs) {
  if (train::RunFolder::owns(file)) {
    throw ConfigError(fmt::format("{} {}: is a file of a run; name another", option, file.string()));
  }
  return {std::move(option), file, io::file_ids(inputs)};
}

std::set<io::FileId> files_of(const config::Config& config) {
  std::vector<fs::path> files;
  for (const auto& entry : config.entries()) files.emplace_back(entry.origin);
  return io::file_ids(files);
}

std::set<io::FileId> files_of(const TestSet& test) {
  const auto& options = test.options;
  const auto& dataset = test.dataset;
  std::vector<fs::path> files;
  for (int64_t i = 0; i < dataset->size(); ++i) {
    const auto& record = dataset->record(i);
    files.push_back(record.image);
    files.push_back(options.root / "Annotations" / (record.id + ".xml"));
  }
  files.push_back(options.root / "ImageSets/Main" / (options.test.split + ".txt"));
  files.push_back(options.test.annotations);
  files.push_back(options.test.proposals);
  return io::file_ids(files);
}

}  // namespace rcnn::tools
