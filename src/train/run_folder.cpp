#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <system_error>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/io/files/atomic_file.h>
#include <rcnn/io/files/new_folder.h>
#include <rcnn/log.h>
#include <rcnn/train/run_folder.h>

#include "train/stage_mark.h"

namespace rcnn::train {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kState = "state-";
constexpr const char* kExtension = ".safetensors";
constexpr const char* kScores = "scores";
constexpr const char* kEarlierScores = "earlier_scores";
constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();  // null in JSON

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

bool is_entry(const Json& line) {
  return line.is_object() && line.contains("epoch") && line["epoch"].is_number_integer() &&
         line.contains("iteration") && line["iteration"].is_number_integer() &&
         (!line.contains(kScores) || line[kScores].is_object());
}

[[noreturn]] void refuse(std::string_view what, const fs::path& where, const std::error_code& why) {
  throw DataError(fmt::format("cannot {} {}: {}", what, where.string(), why.message()));
}

void move(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) refuse("rename", from, error);
}

std::vector<std::pair<std::string, double>> numbers_of(const Json& object) {
  std::vector<std::pair<std::string, double>> numbers;
  for (const auto& [name, number] : object.items()) {
    if (name == "epoch" || name == "iteration") continue;
    numbers.emplace_back(name, number.is_number() ? number.get<double>() : kNoNumber);
  }
  return numbers;
}

/// Calls see(line, entry) for each line; the entry is null where the line is none or was cut off.
template <class See>
void for_each_line(const fs::path& metrics, See see) {
  std::ifstream lines(metrics);
  for (std::string line; std::getline(lines, line);) {
    const auto json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    see(line, !lines.eof() && is_entry(json) ? &json : nullptr);
  }
}

ScoredIteration scored_iteration(const Json& entry) {
  return {.epoch = entry.at("epoch").get<int64_t>(),
          .iteration = entry.at("iteration").get<int64_t>(),
          .scores = numbers_of(entry.at(kScores))};
}

}  // namespace

Metrics read_metrics(const fs::path& file) {
  Metrics metrics;
  for_each_line(file, [&](const std::string&, const Json* entry) {
    if (entry == nullptr || entry->contains(kEarlierScores)) return;
    if (entry->contains(kScores)) {
      metrics.scores.push_back(scored_iteration(*entry));
    } else {
      metrics.reports.push_back({.epoch = entry->at("epoch").get<int64_t>(),
                                 .iteration = entry->at("iteration").get<int64_t>(),
                                 .numbers = numbers_of(*entry)});
    }
  });
  return metrics;
}

RunFolder RunFolder::create(const fs::path& path) {
  check_new(path);
  io::make_new_folder(path);
  return RunFolder(path);
}

void RunFolder::check_new(const fs::path& path) {
  if (is_one(path)) {
    throw ConfigError(fmt::format(
        "--output {}: holds a run already: go on with it by --resume, or name a new folder", path.string()));
  }
  io::check_new_folder(path);
}

RunFolder RunFolder::reopen(const fs::path& path) {
  if (!is_one(path)) throw ConfigError(fmt::format("{}: holds no run to go on with", path.string()));
  RunFolder folder(path);
  io::remove_temporaries(path);
  return folder;
}

bool RunFolder::is_one(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path / RunLock::kFile, error);
}

bool RunFolder::owns(const fs::path& file) {
  static const std::set<std::string> kNames = {"config.json", "log.txt",          "metrics.jsonl",
                                               "done.json",   "last.safetensors", "best.safetensors",
                                               RunLock::kFile};
  const auto name = file.filename().string();
  const bool named = kNames.contains(name) || (name.starts_with(kState) && name.ends_with(kExtension)) ||
                     name.starts_with("events.out.tfevents.") ||
                     (is_stage_folder(name) && name.ends_with(StageMark::kBegun));
  const auto folder = file.has_parent_path() ? file.parent_path() : ".";
  std::error_code not_there;
  // Without the lock in one that was copied or cleaned up.
  return named && (is_one(folder) || fs::exists(folder / "metrics.jsonl", not_there));
}

fs::path RunFolder::state(int64_t iteration) const {
  return path_ / fmt::format("{}{:08}{}", kState, iteration, kExtension);
}

void RunFolder::write_config(const config::Config& config) const {
  io::write_atomically(this->config(), config.dump() + "\n");
}

void RunFolder::append(const Progress& progress) {
  Json line = {{"lr", progress.lr}, {"loss", progress.loss}};
  for (const auto& [name, value] : progress.losses) line[name] = value;
  line["time"] = progress.iteration_seconds;
  line["data_time"] = progress.data_seconds;
  line["memory"] = progress.memory_bytes;
  std::vector<Scalar> scalars;
  for (const auto& [name, value] : line.items()) scalars.push_back({"train/" + name, value.get<float>()});

  Json place = {{"epoch", progress.epoch}, {"iteration", progress.iteration}};
  place.update(line);
  append_line(place.dump());
  events().add_scalars(progress.iteration, now(), scalars);
}

void RunFolder::append(const ScoredIteration& scored) {
  Json numbers = Json::object();
  std::vector<Scalar> scalars;
  for (const auto& [name, number] : scored.scores) {
    numbers[name] = number;
    if (name.find('.') == std::string::npos) scalars.push_back({"eval/" + name, static_cast<float>(number)});
  }
  append_line(Json({{"epoch", scored.epoch}, {"iteration", scored.iteration}, {kScores, numbers}}).dump());
  events().add_scalars(scored.iteration, now(), scalars);
}

void RunFolder::rewind(int64_t iteration) {
  events().restart_at(iteration + 1, now());
  std::string kept;
  bool all = true;
  for_each_line(metrics(), [&](const std::string& line, const Json* entry) {
    if (entry == nullptr || entry->at("iteration").get<int64_t>() > iteration) {
      all = false;
    } else {
      kept += line + '\n';
    }
  });
  if (!all) io::write_atomically(metrics(), kept);
  const auto own = state(iteration).filename();
  for (const auto& file : states()) {
    if (file.filename() == own) break;
    move(file, file.string() + ".damaged");
  }
}

void RunFolder::set_scores_aside() const {
  std::string lines;
  bool any = false;
  for_each_line(metrics(), [&](const std::string& line, const Json* entry) {
    if (entry == nullptr || !entry->contains(kScores)) {
      lines += line + '\n';
      return;
    }
    any = true;
    auto set_aside = *entry;
    set_aside.erase(kScores);
    set_aside[kEarlierScores] = entry->at(kScores);
    lines += set_aside.dump() + '\n';
  });
  if (any) io::write_atomically(metrics(), lines);
}

fs::path RunFolder::set_aside() const {
  fs::path folder;
  int number = 0;
  std::error_code error;
  do {
    folder = path_ / fmt::format("earlier-{}", ++number);
  } while (!fs::create_directory(folder, error) && !error);
  if (error) refuse("make", folder, error);
  // The states last: as long as one is there, nobody begins anew here unasked.
  auto files = states();
  files.insert(files.begin(), {metrics(), config(), best_weights(), weights()});
  for (const auto& file : files) {
    if (fs::exists(file)) move(file, folder / file.filename());
  }
  return folder;
}

EventFile& RunFolder::events() {
  if (!events_) events_.emplace(path_);
  return *events_;
}

/// The newest first.
std::vector<fs::path> RunFolder::states() const {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(path_)) {
    const auto name = entry.path().filename().string();
    if (name.starts_with(kState) && name.ends_with(kExtension)) files.push_back(entry.path());
  }
  // By length first: beyond eight digits the names no longer sort.
  std::ranges::sort(files, std::greater<>(),
                    [](const fs::path& file) { return std::pair(file.native().size(), file.native()); });
  return files;
}

RunFolder::Newest RunFolder::newest_state() const {
  Newest newest;
  for (const auto& file : states()) {
    try {
      newest.found = Found{file, load_state(file)};
      break;
    } catch (const WeightsError& error) {
      newest.damaged.emplace_back(error.what());
    }
  }
  return newest;
}

bool RunFolder::has_results() const {
  return !states().empty() || fs::exists(weights()) || fs::exists(best_weights());
}

void RunFolder::remove_old_states(int64_t keep) const {
  const auto files = states();
  std::error_code error;
  for (size_t i = static_cast<size_t>(keep); i < files.size(); ++i) {
    fs::remove(files[i], error);
    if (error) refuse("remove", files[i], error);
  }
}

void RunFolder::append_line(const std::string& line) const {
  std::ofstream stream(metrics(), std::ios::app);
  stream << line << std::endl;
  if (!stream) throw DataError(fmt::format("{}: cannot be written; is the disk full?", metrics().string()));
}

}  // namespace rcnn::train
