#include "train/stage_mark.h"

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/error.h>
#include <rcnn/io/files/atomic_file.h>
#include <rcnn/log.h>

#include "strict_json.h"
#include "text_file.h"

namespace rcnn::train {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

}  // namespace

bool is_stage_folder(std::string_view name) {
  const size_t end = name.find_first_not_of("0123456789");
  return end != 0 && end != std::string_view::npos && name[end] == '-';
}

fs::path StageMark::of_begun(const Stage& stage) {
  return stage.folder.string() + std::string(kBegun);
}

fs::path StageMark::of_done(const Stage& stage) {
  return stage.folder / "done.json";
}

std::optional<StageMark> StageMark::read(const fs::path& file) {
  constexpr size_t kLargest = 16'000'000;
  if (std::error_code not_there; !fs::is_regular_file(file, not_there)) return std::nullopt;
  try {
    const auto mark =
        parse_json<Json>(read_text_file(file, kLargest), {.max_depth = JsonRules().max_depth + 2});
    return StageMark{.config = config::Config::parse(mark.at("config").dump(), file.string()),
                     .inputs = mark.at("inputs").get<std::map<std::string, std::string>>(),
                     .products = mark.value("products", std::map<std::string, std::string>())};
  } catch (const std::exception& error) {  // of its text, its JSON, or of what that should hold
    if (is_out_of_memory(error)) throw;
    log::warn(fmt::format("{}: is damaged ({}); its stage counts as not done", file.string(), error.what()));
    return std::nullopt;
  }
}

void StageMark::write(const fs::path& file) const {
  Json mark{{"config", Json::parse(config.dump())}, {"inputs", inputs}};
  if (!products.empty()) mark["products"] = products;
  io::write_atomically(file, mark.dump(1) + "\n");
}

std::map<std::string, std::string> StageMark::products_of(const Stage& stage,
                                                          const std::vector<std::string>& names) {
  std::map<std::string, std::string> products;
  for (const auto& name : names) {
    if (auto number = fingerprint_of(stage.folder / name); !number.empty())
      products[name] = std::move(number);
  }
  return products;
}

std::vector<std::string> StageMark::changed_inputs(const std::map<std::string, std::string>& now) const {
  std::vector<std::string> changed;
  for (const auto& [name, number] : inputs) {
    const auto found = now.find(name);
    if (found != now.end() && found->second != number)
      changed.push_back(fmt::format("{}: no longer what the stage was made from", name));
  }
  return changed;
}

}  // namespace rcnn::train
