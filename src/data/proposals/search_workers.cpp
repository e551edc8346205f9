#include <algorithm>
#include <deque>
#include <exception>
#include <thread>
#include <utility>

#include <c10/util/Exception.h>
#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/proposals/search_workers.h>
#include <rcnn/error.h>

#include "data/images/remarks.h"
#include "data/loading/random.h"
#include "data/proposals/box_bytes.h"
#include "data/proposals/worker_processes.h"

namespace rcnn::data {
namespace {

using SearchAnswer = nlohmann::json;

uint64_t seed_of(const std::string& id, uint64_t seed) {
  uint64_t mixed = hash(seed);
  for (const unsigned char letter : id) mixed = hash(mixed, letter);
  return mixed;
}

/// What a worker answers: {"boxes", "remarks"}, or {"bad"}, {"memory"}, {"error"}: what went wrong.
SearchAnswer search_one(const SearchImages& images, const SearchWorkersOptions& options, int64_t index) {
  try {
    ImageRemarks remarks;
    const auto image = images.read(index);
    const auto boxes = selective_search(image, options.search,
                                        seed_of(images.ids.at(static_cast<size_t>(index)), options.seed));
    return {{"boxes", to_binary(boxes)}, {"remarks", remarks.take()}};
  } catch (const DataError& error) {
    return {{"bad", error.what()}};
  } catch (const std::exception& error) {
    if (is_out_of_memory(error)) return {{"memory", true}};
    const auto* const of_torch = dynamic_cast<const c10::Error*>(&error);
    return {{"error", of_torch ? of_torch->what_without_backtrace() : error.what()}};
  }
}

std::string bytes_of(const SearchAnswer& answer) {
  std::string bytes;
  nlohmann::json::to_cbor(answer, bytes);
  return bytes;
}

}  // namespace

SearchImages SearchImages::of(const Dataset& dataset) {
  SearchImages images;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    images.ids.push_back(dataset.record(i).id);
    images.files.push_back(dataset.record(i).image);
  }
  images.read = [&dataset](int64_t index) { return checked_image(dataset, index); };
  return images;
}

struct SearchWorkers::State {
  State(SearchImages searched, const SearchWorkersOptions& options)
      : images(std::move(searched)),
        workers(count(options.jobs, images.size()),
                [this, options](int64_t item) { return bytes_of(search_one(images, options, item)); }) {}

  static int64_t count(int64_t jobs, int64_t images) {
    const auto cores = std::max<int64_t>(std::thread::hardware_concurrency(), 1);
    return std::min(jobs > 0 ? jobs : cores, std::max<int64_t>(images, 1));
  }

  SearchedImage result_of(const WorkerProcesses::Answer& answer) const {
    const auto index = answer.item;
    const auto& file = images.files.at(static_cast<size_t>(index));
    if (!answer.death.empty()) {
      throw Error(
          fmt::format("{}: the process that searched it for proposals {}; where memory ran out, fewer "
                      "processes (--jobs) need less",
                      file.string(), answer.death),
          1);
    }
    const auto said = nlohmann::json::from_cbor(answer.bytes);
    if (said.contains("memory")) {
      throw MemoryError(
          fmt::format("{}: memory ran out in Selective Search; fewer processes (--jobs) need "
                      "less, and so does a smaller image",
                      file.string()));
    }
    if (said.contains("error")) {
      throw Error(fmt::format("{}: Selective Search: {}", file.string(), said["error"].get<std::string>()),
                  1);
    }
    if (said.contains("bad")) return {.index = index, .error = said["bad"].get<std::string>()};
    for (const auto& what : said["remarks"]) remark(file, what.get<std::string>());
    return {.index = index, .boxes = from_binary<Box>(said["boxes"])};
  }

  SearchImages images;
  WorkerProcesses workers;
  std::deque<int64_t> waiting = {};
};

SearchWorkers::SearchWorkers(SearchImages images, const SearchWorkersOptions& options)
    : state_(std::make_unique<State>(std::move(images), options)) {}

SearchWorkers::~SearchWorkers() = default;

void SearchWorkers::add(const std::vector<int64_t>& indices) {
  auto& waiting = state_->waiting;
  waiting.insert(waiting.end(), indices.begin(), indices.end());
}

std::optional<SearchedImage> SearchWorkers::next(const std::function<bool()>& stop) {
  auto& [images, workers, waiting] = *state_;
  while (!stop || !stop()) {
    for (; !waiting.empty() && workers.has_idle(); waiting.pop_front()) workers.give(waiting.front());
    if (!workers.is_busy()) break;
    if (const auto answer = workers.wait()) {
      // What ends all processes of a terminal or a job ends workers, too.
      if (!answer->death.empty() && stop && stop()) break;
      return state_->result_of(*answer);
    }
  }
  return std::nullopt;
}

}  // namespace rcnn::data
