#include <algorithm>
#include <cmath>
#include <span>

#include <spdlog/fmt/ranges.h>
#include <torch/torch.h>

#include <rcnn/nn/weights/compress_weights.h>
#include <rcnn/printable.h>

#include "config/suggestion.h"

namespace rcnn::nn {
namespace {

constexpr std::string_view kHead = "roi_heads.box_head.", kPredictor = "roi_heads.box_predictor.";

// Columns that are converted to float64 at a time: 128 MB of VGG16's fc6.
constexpr int64_t kColumns = 4096;

template <class Use>
void for_columns(const at::Tensor& weight, Use use) {
  for (int64_t first = 0; first < weight.size(1); first += kColumns) {
    use(weight.slice(1, first, first + kColumns).to(at::kDouble));
  }
}

/// The left singular vectors, and the squared singular values, greatest first.
struct LeftVectors {
  at::Tensor vectors;  // float64 [out, out]
  at::Tensor squares;  // float64 [out]
};

LeftVectors left_vectors(const at::Tensor& weight) {
  TORCH_CHECK(weight.dim() == 2 && weight.is_floating_point() && weight.numel() > 0 && weight.is_cpu(),
              "truncated_svd: weight: expected numbers [out, in] on the CPU, got ", weight.scalar_type(), " ",
              weight.sizes());
  auto products = at::zeros({weight.size(0), weight.size(0)}, at::kDouble);
  for_columns(weight, [&](const at::Tensor& columns) { products.addmm_(columns, columns.t()); });
  const auto [values, vectors] = at::linalg_eigh(products);
  return {vectors.flip(1), values.flip(0).clamp_min(0)};
}

TruncatedSvd truncated(const at::Tensor& weight, const LeftVectors& left, int64_t rank) {
  const auto second = left.vectors.narrow(1, 0, rank);
  std::vector<at::Tensor> first;
  for_columns(weight,
              [&](const at::Tensor& columns) { first.push_back(second.t().matmul(columns).to(at::kFloat)); });
  const auto all = left.squares.sum().item<double>(),
             lost = left.squares.narrow(0, rank, left.squares.size(0) - rank).sum().item<double>();
  const double share = all > 0 ? lost / all : 0;
  return {.first = at::cat(first, 1),
          .second = second.to(at::kFloat).contiguous(),
          .energy = 1 - share,
          .error = std::sqrt(share)};
}

int64_t rank_of_energy(const at::Tensor& weight, const at::Tensor& squares, double energy) {
  TORCH_CHECK(energy > 0 && energy <= 1, "truncated_svd: energy: expected above 0, up to 1, got ", energy);
  const auto kept = squares.cumsum(0);
  const auto enough = (kept < energy * kept[-1]).sum().item<int64_t>() + 1;
  return std::min({enough, weight.size(0), weight.size(1)});
}

/// The fully connected layers of the head and the predictor, by the name in the model.
std::map<std::string, at::Tensor> fully_connected(const ModelImpl& model) {
  std::map<std::string, at::Tensor> layers;
  for (const auto& item : model.named_modules()) {
    const auto* const linear = item.value()->as<torch::nn::Linear>();
    if (linear && (item.key().starts_with(kHead) || item.key().starts_with(kPredictor))) {
      layers.emplace(item.key(), linear->weight);
    }
  }
  return layers;
}

/// The last word of a dotted name: what the head calls its layer.
std::string short_name(const std::string& name) {
  return name.substr(name.rfind('.') + 1);
}

bool is_half(const std::map<std::string, at::Tensor>& layers, const std::string& name) {
  if (!name.ends_with("_L") && !name.ends_with("_U")) return false;
  const auto whole = name.substr(0, name.size() - 2);
  return layers.contains(whole + "_L") && layers.contains(whole + "_U");
}

/// The name in the model of what a user calls a layer.
std::string full_name(const std::map<std::string, at::Tensor>& layers, const std::string& name,
                      const std::string& origin) {
  const auto halves = [&](const std::string& prefix) { return layers.contains(prefix + name + "_L"); };
  if (halves("") || halves(std::string(kHead)) || halves(std::string(kPredictor))) {
    throw ConfigError(fmt::format("{}: {} has been compressed already", origin, name));
  }
  std::vector<std::string> known;
  for (const auto& [full, weight] : layers) {
    if (is_half(layers, full)) continue;
    if (full == name || short_name(full) == name) return full;
    known.push_back(short_name(full));
  }
  throw ConfigError(fmt::format("{}: the model's box head has no fully connected layer {}{}; it has {}",
                                origin, printable(name), config::suggestion(name, known),
                                known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", "))));
}

/// The ranks that are asked for, by the name in the model.
std::map<std::string, std::optional<int64_t>> wanted(const std::map<std::string, at::Tensor>& layers,
                                                     const CompressOptions& options,
                                                     const std::string& origin) {
  std::map<std::string, std::optional<int64_t>> result;
  for (const auto& [name, rank] : options.layers) {
    const auto full = full_name(layers, name, origin);
    if (!result.emplace(full, rank).second) {
      throw ConfigError(fmt::format("{}: {} is named twice", origin, full));
    }
    if (!rank && !options.energy) {
      throw ConfigError(
          fmt::format("{}: no rank is given for {}, and no energy to choose it by", origin, name));
    }
    const auto& weight = layers.at(full);
    const auto most = std::min(weight.size(0), weight.size(1));
    if (rank && (*rank < 1 || *rank > most)) {
      throw ConfigError(
          fmt::format("{}: {}: the rank must be from 1 to {}, the smaller side of {} x {}, not {}", origin,
                      name, most, weight.size(0), weight.size(1), *rank));
    }
  }
  const bool has_all_ranks =
      std::ranges::all_of(result, [](const auto& layer) { return layer.second.has_value(); });
  if (!options.layers.empty() && options.energy && has_all_ranks) {
    throw ConfigError(
        fmt::format("an energy of {} decides nothing where each layer has a rank: leave it out, or leave out "
                    "the rank of a layer whose rank it is to choose",
                    *options.energy));
  }
  if (!options.layers.empty()) return result;
  if (!options.energy) throw ConfigError("no layer, no rank and no energy is given: nothing to compress by");
  for (const auto& [name, weight] : layers) {
    if (name.starts_with(kHead) && !is_half(layers, name)) result.emplace(name, std::nullopt);
  }
  if (result.empty()) {
    throw ConfigError(
        fmt::format("{}: the model's box head has no fully connected layer that is not compressed", origin));
  }
  return result;
}

}  // namespace

TruncatedSvd truncated_svd(const at::Tensor& weight, int64_t rank) {
  const torch::NoGradGuard no_grad;
  const auto left = left_vectors(weight);
  TORCH_CHECK(rank >= 1 && rank <= std::min(weight.size(0), weight.size(1)),
              "truncated_svd: rank: expected 1 to the smaller side of ", weight.sizes(), ", got ", rank);
  return truncated(weight, left, rank);
}

TruncatedSvd truncated_svd_of_energy(const at::Tensor& weight, double energy) {
  const torch::NoGradGuard no_grad;
  const auto left = left_vectors(weight);
  return truncated(weight, left, rank_of_energy(weight, left.squares, energy));
}

CompressedModel compress_weights(const DescribedModel& model, const CompressOptions& options,
                                 const std::string& origin) {
  if (options.energy && !(*options.energy > 0 && *options.energy <= 1)) {
    throw ConfigError(
        fmt::format("the energy to keep must be above 0 and at most 1, not {}", *options.energy));
  }
  const torch::NoGradGuard no_grad;
  const auto layers = fully_connected(*model.model);
  auto state = state_of(*model.model);
  std::vector<CompressedLayer> compressed;
  std::vector<std::string> ranks;
  for (const auto& [name, rank] : wanted(layers, options, origin)) {
    const auto weight = layers.at(name).detach().cpu();
    check_finite({{name + ".weight", weight}}, origin);
    const auto svd = rank ? truncated_svd(weight, *rank) : truncated_svd_of_energy(weight, *options.energy);
    CompressedLayer layer{.name = name,
                          .inputs = weight.size(1),
                          .outputs = weight.size(0),
                          .rank = svd.first.size(0),
                          .energy = svd.energy,
                          .error = svd.error};
    if (!rank && layer.after() >= layer.before()) {
      layer.whole = true;
      layer.energy = 1;
      layer.error = 0;
      compressed.push_back(std::move(layer));
      continue;
    }
    ranks.push_back(fmt::format("model.roi.head.svd.{}={}", short_name(name), layer.rank));
    state.erase(name + ".weight");
    state.emplace(name + "_L.weight", svd.first);
    state.emplace(name + "_U.weight", svd.second);
    state.emplace(name + "_U.bias", state.at(name + ".bias"));
    state.erase(name + ".bias");
    compressed.push_back(std::move(layer));
  }
  if (ranks.empty()) {
    throw ConfigError(fmt::format(
        "{}: an energy of {} asks for ranks at which no layer becomes smaller: lower it, or give ranks",
        origin, *options.energy));
  }
  auto config = config::Config::parse(model.config.dump(), origin, ranks);
  auto smaller = make_model(config.root().child("model"), std::ssize(model.categories));
  load_state(*smaller, state, origin);
  return {{std::move(smaller), model.categories, std::move(config)}, std::move(compressed)};
}

}  // namespace rcnn::nn
