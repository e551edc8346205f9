#include <fstream>
#include <system_error>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/io/atomic_file.h>
#include <rcnn/io/new_folder.h>
#include <rcnn/train/run_folder.h>

namespace rcnn::train {

RunFolder RunFolder::create(const std::filesystem::path& path) {
  io::make_new_folder(path);
  return RunFolder(path);
}

void RunFolder::write_config(const config::Config& config) const {
  io::write_atomically(path_ / "config.json", config.dump() + "\n");
}

void RunFolder::append(const Progress& progress) const {
  nlohmann::ordered_json line = {{"epoch", progress.epoch},
                                 {"iteration", progress.iteration},
                                 {"lr", progress.lr},
                                 {"loss", progress.loss}};
  for (const auto& [name, value] : progress.losses) line[name] = value;
  line["time"] = progress.iteration_seconds;
  line["data_time"] = progress.data_seconds;
  line["memory"] = progress.memory_bytes;
  append_line(line.dump());
}

void RunFolder::append_score(int64_t epoch, int64_t iteration, double mean_average_precision) const {
  append_line(
      nlohmann::ordered_json({{"epoch", epoch}, {"iteration", iteration}, {"mAP", mean_average_precision}})
          .dump());
}

void RunFolder::append_line(const std::string& line) const {
  const auto file = path_ / "metrics.jsonl";
  std::ofstream stream(file, std::ios::app);
  stream << line << std::endl;
  if (!stream) throw DataError(fmt::format("{}: cannot be written; is the disk full?", file.string()));
}

}  // namespace rcnn::train
