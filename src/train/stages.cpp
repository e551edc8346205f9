#include <algorithm>
#include <fstream>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>
#include <torch/torch.h>

#include <rcnn/io/files/atomic_file.h>
#include <rcnn/log.h>
#include <rcnn/train/stages.h>

#include "config/suggestion.h"
#include "io/files/checksum.h"
#include "text_file.h"
#include "train/changes.h"
#include "train/training_stage.h"

namespace rcnn::train {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kStages = "stages";
constexpr const char* kDone = "done.json";
constexpr std::string_view kProduct = "stage:";

const StageKind& kind_of(const Stage& stage) {
  return stage_kinds().at(stage.kind);
}

bool is_file(const fs::path& file) {
  std::error_code not_there;
  return fs::is_regular_file(file, not_there);
}

bool names_folder(const std::string& name) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
  return name.find_first_not_of(kLetters) == std::string::npos && !name.empty() && name[0] != '-' &&
         name[0] != '.';
}

/// "12-name"
bool is_stage_folder(const std::string& name) {
  const size_t end = name.find_first_not_of("0123456789");
  return end != 0 && end != std::string::npos && name[end] == '-';
}

/// The name and the kind of what one element of "stages" describes.
Stage read_stage(const config::Node& node, const config::Config& common, const std::vector<Stage>& before) {
  Stage stage{.name = node.require("name"), .kind = node.require("kind"), .config = common, .folder = {}};
  node.child("with");
  node.finish();
  if (!names_folder(stage.name)) {
    throw node.error("name",
                     fmt::format("'{}' is no name of a folder: letters, digits, _, - and dots, the first "
                                 "of them neither - nor a dot",
                                 stage.name));
  }
  if (std::ranges::find(before, stage.name, &Stage::name) != before.end())
    throw node.error("name", fmt::format("there is a stage {} already", stage.name));
  if (!stage_kinds().contains(stage.kind)) {
    std::vector<std::string> known;
    for (const auto& [kind, functions] : stage_kinds()) known.push_back(kind);
    throw node.error("kind", fmt::format("unknown kind '{}'; known: {}{}", stage.kind, fmt::join(known, ", "),
                                         config::suggestion(stage.kind, known)));
  }
  return stage;
}

/// The file that "stage:NAME/FILE", under `key` of a stage's config, means. Throws ConfigError unless one of
/// the stages `before` it leaves that; `names` has those of all.
fs::path product(const std::string& value, const std::string& key, const config::Config& config,
                 std::span<const Stage> before, const std::vector<std::string>& names) {
  const auto fail = [&](const std::string& why) {
    return config.error(key, fmt::format("{}: {}", value, why));
  };
  const auto slash = std::min(value.find('/'), value.size());
  const auto name = value.substr(kProduct.size(), slash - kProduct.size());
  const auto file = value.substr(std::min(slash + 1, value.size()));
  if (std::ranges::find(names, name) == names.end())
    throw fail(fmt::format("there is no stage {}{}", name, config::suggestion(name, names)));
  const auto maker = std::ranges::find(before, name, &Stage::name);
  if (maker == before.end()) throw fail(fmt::format("the stage {} does not come before this one", name));
  const auto& files = kind_of(*maker).products;
  if (std::ranges::find(files, file) == files.end()) {
    throw fail(fmt::format("a stage of the kind {} leaves {}{}", maker->kind, fmt::join(files, " and "),
                           config::suggestion(file, files)));
  }
  return maker->folder / file;
}

/// What a done stage was made from.
Json mark_of(const Stage& stage, const std::map<std::string, std::string>& inputs) {
  return {{"config", Json::parse(stage.config.dump())}, {"inputs", inputs}};
}

}  // namespace

bool Stage::is_ready() const {
  return std::ranges::all_of(products, is_file);
}

std::map<std::string, StageKind>& stage_kinds() {
  static std::map<std::string, StageKind> kinds{{"train", training_stage()}};
  return kinds;
}

std::string fingerprint_of(const fs::path& file) {
  if (!is_file(file)) return "";
  std::ifstream stream(file, std::ios::binary);
  std::vector<char> piece(1 << 20);
  io::Checksum sum;
  while (stream.read(piece.data(), std::ssize(piece)), stream.gcount() > 0)
    sum.add({piece.data(), static_cast<size_t>(stream.gcount())});
  if (stream.bad() || !stream.eof()) throw DataError(fmt::format("{}: cannot be read", file.string()));
  return sum.digits();
}

bool Chain::is_one(const config::Config& config) {
  return config.root().has(kStages);
}

bool Chain::lies_in(const fs::path& folder) {
  const auto file = folder / "config.json";
  try {
    return is_file(file) && is_one(config::Config::load(file));
  } catch (const ConfigError&) {
    return false;  // whoever reads it as a config says what is wrong with it
  }
}

Chain::Chain(config::Config config, fs::path output)
    : config_(std::move(config)), output_(std::move(output)) {
  const auto nodes = config_.root().list(kStages);
  if (nodes.empty()) throw config_.error(kStages, "has to have one at least");
  const auto common = config_.without(kStages);
  const auto folder = fs::absolute(output_).lexically_normal();
  std::vector<std::string> names;
  for (const auto& node : nodes) {
    stages_.push_back(read_stage(node, common, stages_));
    names.push_back(stages_.back().name);
    stages_.back().folder = folder / fmt::format("{}-{}", names.size(), names.back());
  }
  for (size_t i = 0; i < stages_.size(); ++i) {
    auto& stage = stages_[i];
    const auto with = nodes[i].child("with");
    if (with.has(kStages)) throw with.error(kStages, "a stage has none of its own");
    const auto own = common.merged(with, "stage " + stage.name);
    stage.config = own.replaced([&](const std::string& key, const std::string& value) {
      if (!value.starts_with(kProduct)) return value;
      stage.products.push_back(product(value, key, own, {stages_.data(), i}, names));
      return stage.products.back().string();
    });
  }
}

bool Chain::is_done(const Stage& stage, Run::Resume resume) const {
  const auto file = stage.folder / kDone;
  if (!is_file(file)) return false;
  const auto mark = Json::parse(read_text_file(file, 16'000'000), nullptr, /*allow_exceptions=*/false);
  if (!mark.is_object() || !mark.contains("config") || !mark.contains("inputs")) return false;
  const auto before = config::Config::parse(mark["config"].dump(), file.string());
  auto changed = changes_between(before, stage.config).texts;
  const auto now = kind_of(stage).inputs(stage);
  for (const auto& [name, number] : mark["inputs"].items()) {
    const auto found = now.find(name);
    if (found != now.end() && found->second != number)
      changed.push_back(fmt::format("{}: no longer what the stage was made from", name));
  }
  refuse_changes(std::move(changed), stage.folder, resume);
  return true;
}

void Chain::check_folder(Run::Resume resume) const {
  if (resume == Run::Resume::no || !RunFolder::is_one(output_)) return RunFolder::check_new(output_);
  if (!lies_in(output_) && is_file(output_ / "config.json")) {
    throw ConfigError(
        fmt::format("--output {}: holds a run of one training: name another folder", output_.string()));
  }
  std::vector<std::string> others;
  for (const auto& entry : fs::directory_iterator(output_)) {
    const auto folder = entry.path().filename().string();
    const bool known =
        std::ranges::any_of(stages_, [&](const Stage& stage) { return stage.folder.filename() == folder; });
    if (entry.is_directory() && is_stage_folder(folder) && !known)
      others.push_back(fmt::format("{} is none of its stages", folder));
  }
  std::ranges::sort(others);
  refuse_changes(std::move(others), output_, resume);
}

bool Chain::run(const StageContext& context) {
  const bool reopen = context.resume != Run::Resume::no && RunFolder::is_one(output_);
  check_folder(context.resume);
  std::function<bool()> first;  // the others may have to wait for days: what they hold is let go
  size_t begin = stages_.size();
  for (size_t i = 0; i < stages_.size(); ++i) {
    if (is_done(stages_[i], context.resume)) continue;
    auto prepared = kind_of(stages_[i]).prepare(stages_[i], context);
    if (first) continue;
    first = std::move(prepared);
    begin = i;
  }
  const auto folder = reopen ? RunFolder::reopen(output_) : RunFolder::create(output_);
  folder.write_config(config_);
  log::also_to(folder.log());
  const bool done = run_stages(context, begin, std::move(first));
  log::no_longer_to(folder.log());
  return done;
}

/// The stage `begin`, which is prepared, and those behind it; those before are done.
bool Chain::run_stages(const StageContext& context, size_t begin, std::function<bool()> prepared) {
  for (size_t i = 0; i < stages_.size(); ++i) {
    const auto& stage = stages_[i];
    const auto which = fmt::format("stage {} of {}, {}", i + 1, stages_.size(), stage.name);
    if (i < begin || (i > begin && is_done(stage, context.resume))) {
      log::info(fmt::format("{}: done before", which));
      continue;
    }
    if (context.stop && context.stop()) {
      log::info(fmt::format("interrupted before {}; --resume goes on there", which));
      return false;
    }
    log::info(fmt::format("{}: {} in {}", which, stage.kind, stage.folder.string()));
    const auto inputs = kind_of(stage).inputs(stage);
    if (i > begin) prepared = kind_of(stage).prepare(stage, context);
    if (!prepared()) return false;
    io::write_atomically(stage.folder / kDone, mark_of(stage, inputs).dump(1) + "\n");
  }
  return true;
}

}  // namespace rcnn::train
