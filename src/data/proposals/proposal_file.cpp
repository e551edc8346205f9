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
#include "data/proposals/mat_elements.h"
#include "data/proposals/mat_proposals.h"
#include "data/proposals/pickle_proposals.h"
#include "data/text_encoding.h"
#include "io/files/atomic_writer.h"
#include "io/files/mapped_file.h"
#include "io/first_bytes.h"
#include "io/refusal.h"
#include "text.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

// What begins like no other of the three.

bool is_pickle(std::string_view bytes) {
  constexpr size_t kLooked = 16;
  const char first = bytes.front();
  if (first == '\x80') return true;
  if (first != '(' && first != ']' && first != '}') return false;
  // Protocol 0 is text itself: a list or a dict, a tuple of arrays or numbers.
  const bool is_text = std::ranges::all_of(bytes.substr(0, kLooked), [](char c) {
    return (c >= ' ' && c <= '~') || c == '\n' || c == '\r' || c == '\t';
  });
  return !is_text || bytes == "]." || bytes == "}." ||
         (first == '(' && std::string_view("dlcIF").find(bytes.substr(1, 1)) != std::string_view::npos);
}

/// A list or an object, or a comment; of UTF-16, too, of which the reader says what to do.
bool may_be_json(std::string_view bytes) {
  if (bytes.starts_with("\xff\xfe") || bytes.starts_with("\xfe\xff")) return true;
  if (bytes.starts_with(kByteOrderMark)) bytes.remove_prefix(kByteOrderMark.size());
  const auto begin = bytes.substr(0, 4096).find_first_not_of(std::string_view(" \t\r\n\0", 5));
  return begin != std::string_view::npos &&
         std::string_view("[{/").find(bytes[begin]) != std::string_view::npos;
}

[[noreturn]] void refuse_other(std::string_view bytes) {
  if (bytes.starts_with("# Created by Octave"))
    throw io::Refusal("is Octave's text format, which is not read; save it with save -v7");
  if (bytes.starts_with('#'))
    throw io::Refusal("is a text that begins with #, such as R-CNN's window files; convert it to JSON");
  if (bytes.starts_with("PK")) throw io::Refusal("is a zip archive, such as .npz and .pth files are");
  if (const auto known = io::known_first_bytes(bytes); !known.empty()) throw io::Refusal(known);
  throw io::Refusal(fmt::format(
      "is no file of proposals: it {}; read are COCO-style JSON, .pkl of detectron2, Detectron and "
      "py-faster-rcnn, and .mat of level 5",
      io::shown_first_bytes(bytes)));
}

ProposalList read_any(const fs::path& file, Problems& problems) {
  try {
    const auto memory = io::map_file(file);
    const auto bytes = memory.view();
    if (is_mat_file(bytes)) return read_mat_proposals(bytes, problems);
    if (may_be_json(bytes)) return read_json_proposals(file, problems);
    if (is_pickle(bytes) && io::known_first_bytes(bytes).empty())
      return read_pickle_proposals(memory, problems);
    refuse_other(bytes);
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

/// Whether all boxes lie in the first pixels of their images. Formats with inclusive corners move them by a
/// pixel either way.
bool are_in_first_pixels(const ProposalList& list) {
  constexpr float kFirst = -1, kLast = 2;
  bool any = false;
  for (const auto& image : list.images) {
    any |= !image.boxes.empty();
    const bool small = std::ranges::all_of(image.boxes, [](const Box& box) {
      return box.x1 >= kFirst && box.y1 >= kFirst && box.x2 <= kLast && box.y2 <= kLast;
    });
    if (!small) return false;
  }
  return any;
}

/// What holds for all formats.
void settle_list(ProposalList& list, Problems& problems) {
  if (list.images.empty() && !problems.has(Severity::error))
    problems.error("there are proposals of no image", "0 images");
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
  if (!problems.has(Severity::error) && are_in_first_pixels(list)) {
    problems.error(
        "no proposal leaves the first pixels of its image: the coordinates are shares of the image, where "
        "pixels are wanted; multiply x by its width and y by its height",
        fmt::format("all {} images", list.images.size()));
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

void check_proposal_id(const fs::path& file, const std::string& id) {
  try {
    if (ending_of_proposals(file) == Ending::mat) check_mat_id(id);
  } catch (const io::Refusal& refusal) {
    throw DataError(fmt::format("{}: {}", file.string(), refusal.what()));
  }
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
