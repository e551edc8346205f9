#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>
#include <torch/torch.h>

#include <rcnn/log.h>
#include <rcnn/train/stages.h>

#include "config/name_pattern.h"
#include "config/suggestion.h"
#include "io/files/checksum.h"
#include "train/assemble_stage.h"
#include "train/changes.h"
#include "train/propose_stage.h"
#include "train/stage_mark.h"
#include "train/training_stage.h"

namespace rcnn::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStages = "stages";
constexpr std::string_view kProduct = "stage:";

const StageKind& kind_of(const Stage& stage) {
  return *stage_kinds().find(stage.kind);
}

bool is_file(const fs::path& file) {
  std::error_code not_there;
  return fs::is_regular_file(file, not_there);
}

bool names_folder(const std::string& name) {
  constexpr size_t kLongest = 100;  // of 255 bytes, for a number and endings
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
  return name.find_first_not_of(kLetters) == std::string::npos && !name.empty() && name[0] != '-' &&
         name[0] != '.' && name.size() <= kLongest;
}

/// The name and the kind of what one element of "stages" describes.
Stage read_stage(const config::Node& node, const config::Config& common, const std::vector<Stage>& before) {
  Stage stage{.name = node.require("name"), .kind = node.require("kind"), .config = common, .folder = {}};
  node.child("with");
  node.finish();
  if (!names_folder(stage.name)) {
    throw node.error("name",
                     fmt::format("'{}' is no name of a folder: letters, digits, _, - and dots, the first "
                                 "of them neither - nor a dot, at most 100",
                                 stage.name));
  }
  if (std::ranges::find(before, stage.name, &Stage::name) != before.end())
    throw node.error("name", fmt::format("there is a stage {} already", stage.name));
  if (!stage_kinds().find(stage.kind)) {
    const auto known = stage_kinds().names();
    throw node.error("kind", fmt::format("unknown kind '{}'; known: {}{}", stage.kind, fmt::join(known, ", "),
                                         config::suggestion(stage.kind, known)));
  }
  return stage;
}

/// What a config asks for under a key; empty where only who reads it knows.
std::string_view wanted_content(std::string_view key) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kContents = {
      {{"model.weights", "weights"},
       {"model.weights.*.file", "weights"},
       {"data.*.proposals", "proposals"},
       {"data.*.annotations", "annotations"}}};
  const auto found =
      std::ranges::find_if(kContents, [&](const auto& entry) { return config::matches(entry.first, key); });
  return found == kContents.end() ? std::string_view() : found->second;
}

/// For people, who leaves such files: "; stages of the kind propose leave train.pkl and test.pkl".
std::string makers_of(std::string_view content) {
  std::string makers;
  for (const auto& kind : stage_kinds().names()) {
    std::vector<std::string> files;
    for (const auto& file : stage_kinds().find(kind)->products) {
      if (file.content == content) files.push_back(file.name);
    }
    if (!files.empty())
      makers += fmt::format("; a stage of the kind {} leaves {}", kind, fmt::join(files, " and "));
  }
  return makers;
}

/// What "stage:NAME/FILE", under `key` of a stage's config, means. Throws ConfigError unless one of the
/// stages `before` it leaves that, and the key asks for such a file; `names` has those of all.
Product product(const std::string& value, const std::string& key, const config::Config& config,
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
  const auto& kind = kind_of(*maker);
  const auto left = std::ranges::find(kind.products, file, &StageFile::name);
  if (left == kind.products.end()) {
    const auto files = kind.files();
    throw fail(fmt::format("a stage of the kind {} leaves {}{}", maker->kind,
                           files.empty() ? "nothing" : fmt::format("{}", fmt::join(files, " and ")),
                           config::suggestion(file, files)));
  }
  const auto wanted = wanted_content(key);
  if (!wanted.empty() && left->content != wanted) {
    throw fail(fmt::format("holds {}, and {} are wanted here{}", left->content, wanted, makers_of(wanted)));
  }
  return {.key = key, .file = maker->folder / file, .maker = std::make_shared<const Stage>(*maker)};
}

}  // namespace

bool Product::is_there() const {
  return is_file(file);
}

const Product* Stage::missing() const {
  const auto found = std::ranges::find_if_not(products, &Product::is_there);
  return found == products.end() ? nullptr : &*found;
}

std::vector<std::string> StageKind::files() const {
  std::vector<std::string> files;
  for (const auto& product : products) files.push_back(product.name);
  return files;
}

void StageKinds::add(const std::string& name, StageKind kind) {
  if (!kind.prepare || !kind.inputs)
    throw std::invalid_argument("stage_kinds: '" + name + "' lacks prepare or inputs");
  if (!kinds_.emplace(name, std::move(kind)).second)
    throw std::invalid_argument("stage_kinds: the name '" + name + "' is taken");
}

const StageKind* StageKinds::find(const std::string& name) const {
  const auto found = kinds_.find(name);
  return found == kinds_.end() ? nullptr : &found->second;
}

std::vector<std::string> StageKinds::names() const {
  std::vector<std::string> names;
  for (const auto& [name, kind] : kinds_) names.push_back(name);
  return names;
}

StageKinds& stage_kinds() {
  static StageKinds kinds(
      {{"assemble", assemble_stage()}, {"propose", propose_stage()}, {"train", training_stage()}});
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

void Chain::refuse(const config::Config& config) {
  if (!is_one(config)) return;
  throw config.error(
      kStages,
      fmt::format("is a chain of {} stages, for rcnn train, and one training is wanted here: give the "
                  "config of a stage, which its folder has once it has begun (OUTPUT/N-NAME/config.json), "
                  "or stages=null, which takes the chain away",
                  config.root().list(kStages).size()));
}

void Chain::refuse(const fs::path& folder) {
  if (!lies_in(folder)) return;
  throw ConfigError(
      fmt::format("--output {}: holds a chain of stages: go on with it by its own config", folder.string()));
}

Chain::Chain(config::Config config, fs::path output)
    : config_(std::move(config)), output_(std::move(output)) {
  const auto nodes = config_.root().list(kStages);
  if (nodes.empty()) throw config_.error(kStages, "has to have one at least");
  const auto common = config_.without(kStages);
  const auto folder = (fs::current_path() / output_).lexically_normal();
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
      return stage.products.back().file.string();
    });
  }
}

bool Chain::is_done(const Stage& stage, Run::Resume resume) const {
  const auto mark = StageMark::read(StageMark::of_done(stage));
  if (!mark) return false;
  auto changed = changes_between(mark->config, stage.config, stage.folder.parent_path()).texts;
  std::ranges::move(mark->changed_inputs(kind_of(stage).inputs(stage)), std::back_inserter(changed));
  refuse_changes(std::move(changed), stage.folder, resume);
  return true;
}

/// Throws DataError where something that a done stage has left is gone, and what is_done() throws where it is
/// no longer the same.
void Chain::check_products(const Stage& stage, Run::Resume resume) const {
  const auto mark = StageMark::read(StageMark::of_done(stage));
  if (!mark) return;
  const auto now = StageMark::products_of(stage, kind_of(stage).files());
  std::vector<std::string> changed;
  for (const auto& [name, number] : mark->products) {
    const auto found = now.find(name);
    const auto file = stage.folder / name;
    if (found == now.end()) {
      const auto reader = std::ranges::find_if(stages_, [&](const Stage& other) {
        return std::ranges::find(other.products, file, &Product::file) != other.products.end();
      });
      throw DataError(fmt::format(
          "{}: is gone: the stage {} has left it{}; put it back, or remove {} to run that stage again",
          file.string(), stage.name,
          reader == stages_.end() ? "" : fmt::format(", and {} begins with it", reader->name),
          stage.folder.string()));
    }
    if (found->second != number) {
      changed.push_back(
          fmt::format("{}: no longer what the stage has left", (stage.folder.filename() / name).string()));
    }
  }
  refuse_changes(std::move(changed), stage.folder, resume);
}

std::vector<bool> Chain::done(Run::Resume resume) const {
  std::vector<bool> done;
  for (const auto& stage : stages_) done.push_back(is_done(stage, resume));
  for (size_t i = 0; i < stages_.size(); ++i) {
    if (done[i]) check_products(stages_[i], resume);
  }
  return done;
}

void Chain::check_folder(Run::Resume resume) const {
  if (resume == Run::Resume::no || !RunFolder::is_one(output_)) return RunFolder::check_new(output_);
  if (const auto file = output_ / "config.json"; is_file(file) && !is_one(config::Config::load(file))) {
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
  const auto done_before = done(context.resume);
  std::function<bool()> first;  // the others may have to wait for days: what they hold is let go
  for (size_t i = 0; i < stages_.size(); ++i) {
    if (done_before[i]) continue;
    auto prepared = kind_of(stages_[i]).prepare(stages_[i], context);
    if (!first) first = std::move(prepared);
  }
  const auto folder = reopen ? RunFolder::reopen(output_) : RunFolder::create(output_);
  folder.write_config(config_);
  log::also_to(folder.log());
  const bool done = run_stages(context, done_before, std::move(first));
  log::no_longer_to(folder.log());
  return done;
}

/// Those that are not done, of which the first is prepared.
bool Chain::run_stages(const StageContext& context, const std::vector<bool>& done,
                       std::function<bool()> prepared) {
  bool any_made = false;
  for (size_t i = 0; i < stages_.size(); ++i) {
    const auto& stage = stages_[i];
    const auto& kind = kind_of(stage);
    const auto which = fmt::format("stage {} of {}, {}", i + 1, stages_.size(), stage.name);
    const auto mark = [&] { return StageMark{.config = stage.config, .inputs = kind.inputs(stage)}; };
    const auto mark_done = [&](StageMark made_from) {
      made_from.products = StageMark::products_of(stage, kind.files());
      made_from.write(StageMark::of_done(stage));
    };
    if (done[i]) {
      if (any_made) is_done(stage, context.resume);  // it may be no result of what was made again
      log::info(fmt::format("{}: done before", which));
      // What has changed was said, and is how it is from now on.
      if (context.resume == Run::Resume::anyway) mark_done(mark());
      continue;
    }
    if (context.stop && context.stop()) {
      log::info(fmt::format("interrupted before {}; --resume goes on there", which));
      return false;
    }
    log::info(fmt::format("{}: {} in {}", which, stage.kind, stage.folder.string()));
    const auto now = mark();
    if (const auto begun = StageMark::read(StageMark::of_begun(stage)); begun && fs::exists(stage.folder))
      refuse_changes(begun->changed_inputs(now.inputs), stage.folder, context.resume);
    if (!prepared) prepared = kind.prepare(stage, context);
    now.write(StageMark::of_begun(stage));
    if (!std::exchange(prepared, {})()) return false;
    mark_done(now);
    fs::remove(StageMark::of_begun(stage));
    any_made = true;
  }
  return true;
}

}  // namespace rcnn::train
