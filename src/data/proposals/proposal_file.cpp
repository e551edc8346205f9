#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>
#include <string_view>
#include <unordered_set>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/proposals/proposal_file.h>
#include <rcnn/error.h>

#include "data/loading/random.h"
#include "data/proposals/json_proposals.h"
#include "data/proposals/mat_proposals.h"
#include "data/proposals/pickle_proposals.h"
#include "io/files/atomic_writer.h"
#include "io/files/mapped_file.h"
#include "io/refusal.h"
#include "text.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

// What begins like no other of the three.

bool is_pickle(std::string_view bytes) {
  return bytes.front() == '\x80' || std::string_view("(]}").find(bytes.front()) != std::string_view::npos;
}

bool is_mat(std::string_view bytes) {
  return bytes.starts_with("MATLAB ") || bytes.starts_with("\x89HDF");
}

ProposalList read_any(const fs::path& file, Problems& problems) {
  try {
    const auto memory = io::map_file(file);
    const auto bytes = memory.view();
    if (is_pickle(bytes)) return read_pickle_proposals(memory, problems);
    if (is_mat(bytes)) return read_mat_proposals(bytes, problems);
    if (bytes.starts_with('#'))
      throw io::Refusal("is a text that begins with #, such as R-CNN's window files; convert it to JSON");
    if (bytes.starts_with("PK")) throw io::Refusal("is a zip archive, such as .npz and .pth files are");
    return read_json_proposals(file, problems);
  } catch (const io::Refusal& refusal) {
    throw DataError(fmt::format("{}: {}", file.string(), refusal.what()));
  }
}

/// What messages call an image of a list.
std::string listed_image(const ProposalList& list, size_t image) {
  return list.has_ids ? fmt::format("image {}", list.images[image].id)
                      : fmt::format("image {} of {}", image + 1, list.images.size());
}

/// Says which of an image's boxes cannot be used: one entry an image and kind.
void check_boxes(const ImageProposals& image, const std::string& name, Problems& problems) {
  struct Kind {
    const char* what;
    int64_t count = 0;
    size_t first = 0;
  };
  Kind infinite{"coordinates or scores that are not finite"}, turned{"corners in the wrong order"};
  const auto count = [](Kind& kind, size_t place) {
    if (kind.count++ == 0) kind.first = place;
  };
  for (size_t i = 0; i < image.boxes.size(); ++i) {
    const auto& [x1, y1, x2, y2] = image.boxes[i];
    const float score = image.scores.empty() ? 0.F : image.scores[i];
    if (!std::isfinite(x1) || !std::isfinite(y1) || !std::isfinite(x2) || !std::isfinite(y2) ||
        !std::isfinite(score)) {
      count(infinite, i);
    } else if (x2 < x1 || y2 < y1) {
      count(turned, i);
    }
  }
  for (const auto& kind : {infinite, turned}) {
    if (kind.count == 0) continue;
    const auto& [x1, y1, x2, y2] = image.boxes[kind.first];
    problems.error(kind.what, fmt::format("{}: {} of {} proposals, the first is {}: ({}, {}, {}, {})", name,
                                          kind.count, image.boxes.size(), kind.first + 1, x1, y1, x2, y2));
  }
}

/// Puts the best first, equal ones in their order.
void sort_by_score(ImageProposals& image) {
  if (std::ranges::is_sorted(image.scores, std::greater())) return;
  std::vector<size_t> order(image.scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater(), [&](size_t place) { return image.scores[place]; });
  ImageProposals sorted{.id = std::move(image.id)};
  for (const size_t place : order) {
    sorted.boxes.push_back(image.boxes[place]);
    sorted.scores.push_back(image.scores[place]);
  }
  image = std::move(sorted);
}

struct BoxHash {
  size_t operator()(const Box& box) const {
    const auto bits = [](float edge) { return std::bit_cast<uint32_t>(edge + 0.F); };  // -0 equals 0
    return hash(uint64_t{bits(box.x1)} << 32 | bits(box.y1), uint64_t{bits(box.x2)} << 32 | bits(box.y2));
  }
};

/// Keeps the first of boxes that are equal.
void drop_repeated(ImageProposals& image, std::unordered_set<Box, BoxHash>& seen) {
  seen.clear();
  size_t kept = 0;
  for (size_t i = 0; i < image.boxes.size(); ++i) {
    if (!seen.insert(image.boxes[i]).second) continue;
    image.boxes[kept] = image.boxes[i];
    if (!image.scores.empty()) image.scores[kept] = image.scores[i];
    ++kept;
  }
  image.boxes.resize(kept);
  if (!image.scores.empty()) image.scores.resize(kept);
}

/// What holds for all formats.
void settle_list(ProposalList& list, Problems& problems) {
  if (list.images.empty()) problems.error("there are proposals of no image", "0 images");
  std::unordered_set<std::string> ids;
  for (size_t i = 0; i < list.images.size(); ++i) {
    const auto& image = list.images[i];
    if (list.has_ids && !ids.insert(image.id).second)
      problems.error("an image is there twice", listed_image(list, i));
    if (std::ssize(image.boxes) > kMostProposals) {
      problems.error(fmt::format("more than {} proposals of an image; keep the best of them", kMostProposals),
                     fmt::format("{} ({})", listed_image(list, i), image.boxes.size()));
    } else {
      check_boxes(image, listed_image(list, i), problems);
    }
  }
  if (problems.has(Severity::error)) return;
  std::unordered_set<Box, BoxHash> seen;
  for (auto& image : list.images) {
    sort_by_score(image);
    drop_repeated(image, seen);
  }
}

enum class Ending { json, pickle, mat };

Ending ending_of_proposals(const fs::path& file) {
  const auto ending = lower(file.extension().string());
  if (ending == ".json") return Ending::json;
  if (ending == ".pkl") return Ending::pickle;
  if (ending == ".mat") return Ending::mat;
  throw ConfigError(fmt::format(
      "{}: proposals are written as .json (COCO-style), .pkl (detectron2) or .mat (MATLAB); end the "
      "name so",
      file.string()));
}

}  // namespace

ProposalList read_proposals(const fs::path& file) {
  Problems problems;
  auto list = read_any(file, problems);
  settle_list(list, problems);
  problems.settle(file.string());
  return list;
}

void check_proposal_ending(const fs::path& file) {
  ending_of_proposals(file);
}

void write_proposals(const fs::path& file, const ProposalList& list) {
  const auto ending = ending_of_proposals(file);
  if (ending == Ending::json && !list.has_ids)
    throw ConfigError(
        fmt::format("{}: proposals without image ids are written as .pkl or .mat", file.string()));
  for (const auto& image : list.images) {
    if (!image.scores.empty() && image.scores.size() != image.boxes.size()) {
      throw DataError(fmt::format("{}: image {} has {} scores for {} proposals", file.string(), image.id,
                                  image.scores.size(), image.boxes.size()));
    }
  }
  io::AtomicWriter writer(file);
  const auto write = [&](std::string_view bytes) { writer.write(bytes); };
  try {
    switch (ending) {
      case Ending::json:
        write_json_proposals(list, write);
        break;
      case Ending::pickle:
        write_pickle_proposals(list, write);
        break;
      case Ending::mat:
        write_mat_proposals(list, write);
        break;
    }
  } catch (const io::Refusal& refusal) {
    throw DataError(fmt::format("{}: {}", file.string(), refusal.what()));
  }
  writer.commit();
}

}  // namespace rcnn::data
