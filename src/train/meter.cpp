#include "train/meter.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>
#include <torch/torch.h>

#include "median.h"

namespace rcnn::train {
void Meter::add_losses(int64_t iteration, double lr, std::vector<int64_t> indices,
                       const std::vector<nn::Loss>& losses) {
  std::vector<std::string> names;
  std::vector<at::Tensor> values;
  for (const auto& [name, value] : losses) {
    TORCH_CHECK(value.dim() == 0, "losses(): expected scalars, got ", name, " of ", value.dim(),
                " dimensions");
    names.push_back(name);
    values.push_back(value.detach());
  }
  TORCH_CHECK(!names.empty(), "losses(): expected a loss at least, got none");
  if (names_.empty()) {
    names_ = names;
    std::vector<at::Tensor> earlier;
    for (size_t i = 0; i < names.size(); ++i) {
      const auto found = restored_.find(names[i]);
      if (found != restored_.end()) earlier.push_back(found->second.to(values[i].device()));
    }
    // Those of a model with other losses say nothing here.
    if (earlier.size() == names.size() && restored_.size() == names.size())
      losses_ = at::stack(earlier, 1).unbind();
    restored_.clear();
  }
  TORCH_CHECK(names == names_, "losses(): expected the names of the calls before, ",
              fmt::format("{}, got {}", fmt::join(names_, ", "), fmt::join(names, ", ")));
  losses_.push_back(at::stack(values));
  unchecked_.push_back({.number = iteration, .lr = lr, .indices = std::move(indices)});
}

void Meter::add_times(double iteration_seconds, double data_seconds) {
  iteration_seconds_.push_back(iteration_seconds);
  data_seconds_.push_back(data_seconds);
}

std::optional<Meter::NonFinite> Meter::first_non_finite() {
  const auto unchecked = std::exchange(unchecked_, {});
  if (unchecked.empty()) return std::nullopt;
  const auto first = losses_.end() - std::ssize(unchecked);
  const auto values = at::stack(at::TensorList(&*first, unchecked.size())).to(at::kCPU, at::kDouble);
  for (size_t i = 0; i < unchecked.size(); ++i) {
    const auto row = values[static_cast<int64_t>(i)];
    if (std::isfinite(row.sum().item<double>())) continue;
    std::string losses;
    for (size_t k = 0; k < names_.size(); ++k) {
      losses += fmt::format("{}{} {:g}", k == 0 ? "" : ", ", names_[k],
                            row[static_cast<int64_t>(k)].item<double>());
    }
    return NonFinite{unchecked[i].number, unchecked[i].lr, unchecked[i].indices, losses};
  }
  return std::nullopt;
}

void Meter::report_to(Progress& progress) {
  const auto means = at::stack(losses_).mean(0).to(at::kCPU, at::kDouble);
  for (size_t i = 0; i < names_.size(); ++i) {
    progress.losses.emplace_back(names_[i], means[static_cast<int64_t>(i)].item<double>());
  }
  progress.loss = means.sum().item<double>();
  progress.iteration_seconds = median(iteration_seconds_);
  progress.data_seconds = median(data_seconds_);
  Meter next;
  next.names_ = std::move(names_);
  *this = std::move(next);
}

nn::TensorMap Meter::losses() const {
  if (losses_.empty()) return restored_;
  const auto columns = at::stack(losses_, 1).cpu().unbind();
  nn::TensorMap losses;
  for (size_t i = 0; i < names_.size(); ++i) losses[names_[i]] = columns[i];
  return losses;
}

void Meter::restore(const nn::TensorMap& losses) {
  *this = {};
  restored_ = losses;
}

}  // namespace rcnn::train
