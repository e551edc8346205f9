#include "data/tools/stratified_split.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <rcnn/error.h>

#include "data/loading/random.h"

namespace rcnn::data {
namespace {

/// The shares of `images` as whole numbers that sum to it, those with the largest remainders rounded up.
std::vector<int64_t> sizes_of(const std::vector<SplitShare>& parts, int64_t images) {
  std::vector<int64_t> sizes;
  std::vector<double> remainders;
  for (const auto& part : parts) {
    const double exact = part.share * static_cast<double>(images);
    sizes.push_back(static_cast<int64_t>(std::floor(exact)));
    remainders.push_back(exact - std::floor(exact));
  }
  for (int64_t left = images - std::accumulate(sizes.begin(), sizes.end(), int64_t{0}); left > 0; --left) {
    const auto largest = std::max_element(remainders.begin(), remainders.end());
    ++sizes[largest - remainders.begin()];
    *largest = -1;
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    if (sizes[i] > 0) continue;
    throw ConfigError(fmt::format("the part {} would get none of {} images", parts[i].name, images));
  }
  return sizes;
}

class Stratifier {
 public:
  Stratifier(const std::vector<std::vector<int64_t>>& labels, const std::vector<SplitShare>& parts,
             uint64_t seed)
      : random_(seed), room_(sizes_of(parts, std::ssize(labels))), part_of_(labels.size()) {
    for (const auto& image : labels) labels_.emplace_back(image.begin(), image.end());
    std::vector<size_t> order(labels.size());
    std::iota(order.begin(), order.end(), size_t{0});
    random_.shuffle(order);
    for (const size_t image : order) {
      for (const int64_t label : labels_[image]) images_of_[label].push_back(image);
    }
    for (const auto& [label, images] : images_of_) {
      for (const auto& part : parts)
        wanted_[label].push_back(part.share * static_cast<double>(images.size()));
    }
    images_of_[kNoLabel] = std::move(order);  // what is left in the end
    wanted_[kNoLabel].resize(parts.size());
  }

  std::vector<size_t> split() {
    for (auto label = rarest(); label; label = rarest()) {
      for (const size_t image : images_of_[*label]) {
        if (!part_of_[image]) give(image, part_for(*label));
      }
      images_of_.erase(*label);
    }
    std::vector<size_t> result;
    for (const auto& part : part_of_) result.push_back(*part);
    return result;
  }

 private:
  static constexpr int64_t kNoLabel = std::numeric_limits<int64_t>::max();

  /// The class with the fewest images that have no part yet, `kNoLabel` last.
  std::optional<int64_t> rarest() const {
    std::optional<int64_t> result;
    std::ptrdiff_t fewest = 0;
    for (const auto& [label, images] : images_of_) {
      const auto left =
          std::count_if(images.begin(), images.end(), [&](size_t image) { return !part_of_[image]; });
      if (!result || (label != kNoLabel && left < fewest)) {
        result = label;
        fewest = left;
      }
    }
    return result;
  }

  /// Of the parts with room the one that lacks the class most, then the one with most room, then any.
  size_t part_for(int64_t label) {
    const auto& wanted = wanted_[label];
    std::vector<size_t> best;
    for (size_t part = 0; part < room_.size(); ++part) {
      if (room_[part] == 0) continue;
      const auto rank = [&](size_t p) { return std::pair(wanted[p], room_[p]); };
      if (!best.empty() && rank(part) > rank(best[0])) best.clear();
      if (best.empty() || rank(part) == rank(best[0])) best.push_back(part);
    }
    return best[random_.below(std::ssize(best))];
  }

  void give(size_t image, size_t part) {
    part_of_[image] = part;
    --room_[part];
    for (const int64_t label : labels_[image]) wanted_[label][part] -= 1;
  }

  Random random_;
  std::vector<int64_t> room_;                         // of each part, in images
  std::vector<std::optional<size_t>> part_of_;        // each image's
  std::vector<std::set<int64_t>> labels_;             // each image's
  std::map<int64_t, std::vector<size_t>> images_of_;  // by class, in random order
  std::map<int64_t, std::vector<double>> wanted_;     // by class, how many images each part still lacks
};

}  // namespace

void check_shares(const std::vector<SplitShare>& parts) {
  if (parts.size() < 2) throw ConfigError("a split needs two parts at least, as in train=0.8,val=0.2");
  std::set<std::string> names;
  double sum = 0;
  for (const auto& [name, share] : parts) {
    if (name.empty() || name.find('/') != std::string::npos || name.front() == '.')
      throw ConfigError(fmt::format("a part cannot be called \"{}\"", name));
    if (!names.insert(name).second) throw ConfigError(fmt::format("the part {} is given twice", name));
    if (!(share > 0)) throw ConfigError(fmt::format("the part {} has a share of {}", name, share));
    sum += share;
  }
  if (std::abs(sum - 1) > 1e-6)
    throw ConfigError(fmt::format("the shares of the parts sum to {}, not 1", sum));
}

std::vector<size_t> stratified_split(const std::vector<std::vector<int64_t>>& labels,
                                     const std::vector<SplitShare>& parts, uint64_t seed) {
  check_shares(parts);
  return Stratifier(labels, parts, seed).split();
}

}  // namespace rcnn::data
