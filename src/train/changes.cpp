#include "train/changes.h"

#include <algorithm>
#include <set>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>
#include <torch/torch.h>

#include <rcnn/log.h>

#include "train/stage_mark.h"

namespace rcnn::train {
namespace {

bool decides_scores(const std::string& key) {
  for (const char* when : {"eval.period", "eval.best", "eval.patience"}) {
    if (key == when) return false;
  }
  return key.starts_with("eval.") || key.starts_with("data.test.") || key == "data.type";
}

}  // namespace

std::string some_of(std::vector<std::string> texts, std::string_view separator) {
  constexpr size_t kShown = 8;
  const size_t all = texts.size();
  if (all > kShown) {
    texts.resize(kShown);
    texts.push_back(fmt::format("and {} more", all - kShown));
  }
  return fmt::format("{}", fmt::join(texts, separator));
}

Changes changes_between(const config::Config& before, const config::Config& now,
                        const std::filesystem::path& folder) {
  const std::string here = folder.string() + "/";
  std::set<std::string> below;  // what stages have left there, from the slash on
  const auto named = now.replaced([&](const std::string&, const std::string& value) {
    const auto inside = value.starts_with(here) ? value.substr(here.size()) : "";
    return is_stage_folder(inside) ? *below.insert("/" + inside).first : value;
  });
  const auto named_before = before.replaced([&](const std::string&, const std::string& value) {
    const auto same = std::ranges::find_if(below, [&](const auto& path) { return value.ends_with(path); });
    return value.starts_with('/') && same != below.end() ? *same : value;
  });
  Changes changes;
  for (const auto& [key, was, is] : config::differences(named_before, named)) {
    if (key == "data.workers") continue;
    changes.texts.push_back(
        fmt::format("{} was {}, is {}", key, was.empty() ? "absent" : was, is.empty() ? "absent" : is));
    changes.of_scores |= decides_scores(key);
  }
  return changes;
}

Changes changes_since(const RunFolder::Found& state, const Training& training, const at::Tensor& now) {
  const auto& [file, saved] = state;
  const auto stored = [&, &saved = saved](const char* key) {
    const auto entry = saved.metadata.find(key);
    return entry == saved.metadata.end() ? "" : entry->second;
  };
  auto changes =
      changes_between(config::Config::parse(stored("config"), file.string()), training.described.config,
                      std::filesystem::absolute(file).parent_path().parent_path());
  if (stored("categories") != nn::description_of(training.described).at("categories")) {
    changes.texts.push_back("the classes are others, or in another order");
  }
  const auto images = saved.state.data.find(kFingerprint);
  if (images == saved.state.data.end() || images->second.sizes() != now.sizes()) {
    const int64_t was = images == saved.state.data.end() ? 0 : images->second.numel();
    changes.texts.push_back(fmt::format("the training images were {}, are {}", was, now.numel()));
  } else if (!at::equal(images->second, now)) {
    std::vector<std::string> ids;
    const auto changed = (images->second != now).nonzero().flatten();
    for (int64_t i = 0; i < changed.numel(); ++i) {
      ids.push_back(training.dataset->record(changed[i].item<int64_t>()).id);
    }
    changes.texts.push_back(fmt::format("other training images or boxes: {}", some_of(std::move(ids), ", ")));
  }
  return changes;
}

void refuse_changes(std::vector<std::string> changed, const std::filesystem::path& folder,
                    Run::Resume resume) {
  if (changed.empty()) return;
  const auto what = some_of(std::move(changed), "; ");
  if (resume == Run::Resume::anyway)
    return log::warn(fmt::format("{}: goes on although something has changed: {}", folder.string(), what));
  throw ConfigError(
      fmt::format("{}: not what the run was started with: {}; change it back, or go on all the same by "
                  "--resume-anyway",
                  folder.string(), what));
}

}  // namespace rcnn::train
