#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <thread>
#include <tuple>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/images/image.h>
#include <rcnn/data/tools/check.h>
#include <rcnn/error.h>

#include "data/loading/for_all.h"
#include "data/paths.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kLongImage = 10;  // times its shorter side: little of that is left after resizing

void count(Histogram& histogram, double value) {
  const auto above = std::upper_bound(histogram.edges.begin(), histogram.edges.end(), value);
  const auto bin =
      std::clamp<std::ptrdiff_t>(above - histogram.edges.begin() - 1, 0, std::ssize(histogram.counts) - 1);
  ++histogram.counts[static_cast<size_t>(bin)];
}

Histogram empty(std::vector<double> edges) {
  const auto bins = edges.size() - 1;
  return {.edges = std::move(edges), .counts = std::vector<int64_t>(bins)};
}

/// Why an image cannot be decoded; nothing when it can.
std::optional<std::string> damage(const Dataset& dataset, int64_t index) {
  try {
    dataset.image(index);
    return std::nullopt;
  } catch (const std::exception& error) {  // whatever it is, the image is of no use
    return error.what();
  }
}

/// Where the images of a part ought to be, canonical.
std::vector<fs::path> image_folders(const DatasetPart& part) {
  if (part.split.sources.empty())
    return {fs::weakly_canonical(part.split.images.empty() ? part.options.root : part.split.images)};
  std::vector<fs::path> folders;
  for (const auto& source : part.split.sources) {
    // An instances file lies in annotations/, the images in another folder beside that.
    folders.push_back(fs::weakly_canonical(
        source.annotations.empty() ? source.root : source.annotations.parent_path() / ".."));
  }
  return folders;
}

void look_at_images(const Dataset& dataset, const DatasetPart& part, const CheckOptions& how,
                    DatasetCheck& check) {
  const auto folders = image_folders(part);
  std::vector<std::optional<std::string>> damages(static_cast<size_t>(dataset.size()));
  if (how.decode) {
    for_all(
        dataset.size(), std::max(1u, std::thread::hardware_concurrency()),
        [&](int64_t i) { damages[static_cast<size_t>(i)] = damage(dataset, i); }, how.on_progress);
  }
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const auto& record = dataset.record(i);
    const auto& why = damages[static_cast<size_t>(i)];
    const auto file = fs::weakly_canonical(record.image);
    if (why) {
      check.problems.bad(part.options.bad_images, "an image that cannot be decoded", *why);
    } else {
      check.files.push_back(file);
    }
    const auto [shorter, longer] = std::minmax(record.size.height, record.size.width);
    if (longer > kLongImage * shorter) {
      check.problems.warn(
          "an image more than ten times as long as wide",
          fmt::format("{} ({} x {})", record.image.string(), record.size.width, record.size.height));
    }
    if (std::none_of(folders.begin(), folders.end(), [&](const auto& root) { return lies_in(file, root); })) {
      check.problems.warn("an image outside of the data set's folder, behind a link", record.image.string());
    }
  }
}

void look_at_objects(const Dataset& dataset, DatasetCheck& check) {
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const auto& record = dataset.record(i);
    std::set<std::tuple<int64_t, float, float, float, float>> seen;
    bool any = false;
    for (const auto& [box, label, ignore] : record.objects) {
      if (!seen.emplace(label, box.x1, box.y1, box.x2, box.y2).second) {
        check.problems.warn("an object that is there twice",
                            fmt::format("{} on {}", dataset.categories()[static_cast<size_t>(label - 1)].name,
                                        record.image.filename().string()));
      }
      if (ignore) continue;
      any = true;
      count(check.sizes, std::sqrt(double{box.width()} * box.height()));
      count(check.ratios, double{box.width()} / box.height());
    }
    check.empty_images += !any;
  }
  for (const auto& row : std::span(check.classes).first(check.classes.size() - 1)) {  // the last is of all
    if (row.boxes == 0) check.problems.warn("a class without any object", row.name);
  }
}

}  // namespace

DatasetCheck check(const DatasetPart& part, const CheckOptions& options) {
  DatasetCheck check{.name = part.name,
                     .sizes = empty({0, 4, 8, 16, 32, 64, 128, 256, 512, kInfinity}),
                     .ratios = empty({0, 0.1, 0.2, 1.0 / 3, 0.5, 2.0 / 3, 1, 1.5, 2, 3, 5, 10, kInfinity})};
  std::shared_ptr<Dataset> dataset;
  try {
    dataset = open(part.options, part.split, check.problems);
  } catch (const Error& error) {
    check.problems.error("it cannot be opened", error.what());
    return check;
  }
  check.images = dataset->size();
  check.classes = class_counts(*dataset);
  look_at_images(*dataset, part, options, check);
  look_at_objects(*dataset, check);
  return check;
}

Problems shared_images(const std::vector<DatasetCheck>& parts) {
  std::vector<std::set<fs::path>> files;
  for (const auto& part : parts) files.emplace_back(part.files.begin(), part.files.end());
  Problems problems;
  for (size_t a = 0; a < parts.size(); ++a) {
    for (size_t b = a + 1; b < parts.size(); ++b) {
      std::vector<fs::path> shared;
      std::set_intersection(files[a].begin(), files[a].end(), files[b].begin(), files[b].end(),
                            std::back_inserter(shared));
      if (shared.size() == std::min(files[a].size(), files[b].size())) continue;
      for (const auto& file : shared) {
        problems.warn(fmt::format("images of {} that are in {}, too", parts[a].name, parts[b].name),
                      file.filename().string());
      }
    }
  }
  return problems;
}

}  // namespace rcnn::data
