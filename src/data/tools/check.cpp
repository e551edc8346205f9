#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <thread>
#include <tuple>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/images/image.h>
#include <rcnn/data/tools/check.h>
#include <rcnn/error.h>

#include "data/formats/stated_size.h"
#include "data/images/remarks.h"
#include "data/loading/for_all.h"
#include "data/paths.h"
#include "text.h"

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

/// What decoding an image says.
struct Decoded {
  std::optional<std::string> damage = {};  ///< why it cannot be decoded
  std::vector<std::string> remarks = {};
};

Decoded decode(const Dataset& dataset, int64_t index) {
  ImageRemarks remarks;
  try {
    dataset.image(index);
    return {.remarks = remarks.take()};
  } catch (const std::exception& error) {  // whatever it is, the image is of no use
    return {.damage = error.what()};
  }
}

/// The warnings that opening the data set has counted already.
std::set<std::string> warnings_of(const Problems& problems) {
  std::set<std::string> warnings;
  for (const auto& kind : problems.kinds()) {
    if (kind.severity == Severity::warning) warnings.insert(kind.what);
  }
  return warnings;
}

/// Where the images of a part ought to be, canonical; none where a file that was named says where they are.
std::vector<fs::path> image_folders(const DatasetPart& part) {
  if (part.split.sources.empty() && part.split.images.empty() && !fs::is_directory(part.options.root))
    return {};
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
  const auto counted = warnings_of(check.problems);
  std::vector<Decoded> decoded(static_cast<size_t>(dataset.size()));
  if (how.decode) {
    for_all(
        dataset.size(), std::max(1u, std::thread::hardware_concurrency()),
        [&](int64_t i) { decoded[static_cast<size_t>(i)] = decode(dataset, i); }, how.on_progress);
  }
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const auto& record = dataset.record(i);
    const auto& [why, remarks] = decoded[static_cast<size_t>(i)];
    for (const auto& remark : remarks) {
      if (!counted.contains(remark)) check.problems.warn(remark, record.image.string());
    }
    const auto file = fs::weakly_canonical(record.image);
    if (why) {
      check.problems.bad(part.options.bad_images, "bad_images", "an image that cannot be decoded", *why);
    } else {
      check.files.push_back(file);
    }
    const auto [shorter, longer] = std::minmax(record.size.height, record.size.width);
    if (longer > kLongImage * shorter) {
      check.problems.warn(
          "an image more than ten times as long as wide",
          fmt::format("{} ({} x {})", record.image.string(), record.size.width, record.size.height));
    }
    const bool is_outside =
        std::none_of(folders.begin(), folders.end(), [&](const auto& root) { return lies_in(file, root); });
    if (is_outside && !folders.empty()) {
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
}

double overlap(const Box& a, const Box& b) {
  const double width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  const double height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  if (width <= 0 || height <= 0) return 0;
  const auto area = [](const Box& box) { return double{box.width()} * box.height(); };
  return width * height / (area(a) + area(b) - width * height);
}

void look_at_proposals(const Dataset& dataset, const std::filesystem::path& file, DatasetCheck& check) {
  if (file.empty() || dataset.size() == 0 || !dataset.record(0).proposals) return;
  auto& found = check.proposals.emplace(ProposalCheck{.file = file});
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const auto& record = dataset.record(i);
    const auto& boxes = record.proposals.value();
    found.boxes += std::ssize(boxes);
    found.most = std::max<int64_t>(found.most, std::ssize(boxes));
    found.empty_images += boxes.empty();
    for (const auto& object : record.objects) {
      if (object.ignore) continue;
      ++found.objects;
      found.covered +=
          std::ranges::any_of(boxes, [&](const Box& box) { return overlap(box, object.box) >= 0.5; });
    }
  }
}

/// A name as people hear it: without blanks, in lower case.
std::string spoken(const std::string& name) {
  std::string plain;
  std::ranges::copy_if(lower(name), std::back_inserter(plain),
                       [](char c) { return c != ' ' && c != '_' && c != '-' && c != '\t'; });
  return plain;
}

void look_at_classes(DatasetCheck& check) {
  constexpr int64_t kFew = 5;
  std::map<std::string, std::string> names;
  for (const auto& row : std::span(check.classes).first(check.classes.size() - 1)) {  // the last is of all
    if (row.boxes == 0) {
      check.problems.warn("a class without any object", row.name);
    } else if (row.boxes < kFew) {
      check.problems.warn("a class of fewer than five objects", fmt::format("{} ({})", row.name, row.boxes));
    }
    const auto [other, is_new] = names.emplace(spoken(row.name), row.name);
    if (!is_new) {
      check.problems.warn("classes whose names differ by letters' case or blanks alone",
                          fmt::format("\"{}\" and \"{}\"", other->second, row.name));
    }
  }
}

/// Whether a part of this name should have images of its own; trainval and all hold those of others.
bool is_learnt_or_scored(std::string_view part) {
  return !part.starts_with("trainval") &&
         (part.starts_with("train") || part.starts_with("val") || part.starts_with("test"));
}

void tell_unlearnt_classes(const std::vector<DatasetCheck>& parts, Problems& problems) {
  const auto train = std::ranges::find_if(
      parts, [](const DatasetCheck& part) { return part.name == "train" || part.name == "trainval"; });
  if (train == parts.end() || train->classes.empty()) return;
  std::set<std::string> learnt;
  for (const auto& row : train->classes) {
    if (row.boxes > 0) learnt.insert(row.name);
  }
  for (const auto& part : parts) {
    for (const auto& row : part.classes) {
      if (row.boxes == 0 || learnt.contains(row.name)) continue;
      problems.warn(fmt::format("a class that {} has no object of, so that it is never learnt", train->name),
                    fmt::format("{} ({} in {})", row.name, row.boxes, part.name));
    }
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
  look_at_proposals(*dataset, part.split.proposals, check);
  look_at_classes(check);
  return check;
}

Problems compare(const std::vector<DatasetCheck>& parts) {
  Problems problems;
  tell_unlearnt_classes(parts, problems);
  std::vector<std::set<fs::path>> files;
  for (const auto& part : parts) files.emplace_back(part.files.begin(), part.files.end());
  for (size_t a = 0; a < parts.size(); ++a) {
    for (size_t b = a + 1; b < parts.size(); ++b) {
      std::vector<fs::path> shared;
      std::set_intersection(files[a].begin(), files[a].end(), files[b].begin(), files[b].end(),
                            std::back_inserter(shared));
      const bool is_whole = shared.size() == std::min(files[a].size(), files[b].size());
      if (is_whole && !(is_learnt_or_scored(parts[a].name) && is_learnt_or_scored(parts[b].name))) continue;
      for (const auto& file : shared) {
        problems.warn(fmt::format("images of {} that are in {}, too", parts[a].name, parts[b].name),
                      file.filename().string());
      }
    }
  }
  return problems;
}

}  // namespace rcnn::data
