#include <chrono>
#include <fstream>
#include <system_error>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/io/atomic_file.h>
#include <rcnn/io/new_folder.h>
#include <rcnn/train/run_folder.h>

namespace rcnn::train {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

RunFolder RunFolder::create(const std::filesystem::path& path) {
  io::make_new_folder(path);
  return RunFolder(path);
}

void RunFolder::write_config(const config::Config& config) const {
  io::write_atomically(path_ / "config.json", config.dump() + "\n");
}

void RunFolder::append(const Progress& progress) {
  nlohmann::ordered_json line = {{"lr", progress.lr}, {"loss", progress.loss}};
  for (const auto& [name, value] : progress.losses) line[name] = value;
  line["time"] = progress.iteration_seconds;
  line["data_time"] = progress.data_seconds;
  line["memory"] = progress.memory_bytes;
  std::vector<Scalar> scalars;
  for (const auto& [name, value] : line.items()) scalars.push_back({"train/" + name, value.get<float>()});
  events_.add_scalars(progress.iteration, now(), scalars);

  nlohmann::ordered_json place = {{"epoch", progress.epoch}, {"iteration", progress.iteration}};
  place.update(line);
  append_line(place.dump());
}

void RunFolder::append_score(int64_t epoch, int64_t iteration, double mean_average_precision) {
  const Scalar scalar{"eval/mAP", static_cast<float>(mean_average_precision)};
  events_.add_scalars(iteration, now(), {&scalar, 1});
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
