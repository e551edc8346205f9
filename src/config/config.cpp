#include <algorithm>
#include <cstdlib>
#include <map>
#include <system_error>

#include <spdlog/fmt/fmt.h>

#include <rcnn/config/config.h>

#include "config/document.h"
#include "strict_json.h"
#include "text_file.h"

namespace rcnn::config {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxDepth = 64;
constexpr const char* kCommandLine = "command line";

Json parse_file(std::string_view text, const std::string& origin) {
  try {
    Json json = parse_json<Json>(text, {.max_depth = kMaxDepth, .comments = true});
    if (!json.is_object()) throw JsonError("a config is an object: { ... }");
    return json;
  } catch (const JsonError& error) {
    throw ConfigError(fmt::format("{}: {}", origin, error.what()));
  }
}

std::string read_file(const fs::path& file, const std::string& named_by) {
  constexpr size_t kLargest = 16'000'000;
  try {
    return read_text_file(file, kLargest);
  } catch (const TextFileError& error) {
    throw ConfigError(fmt::format("{}cannot read {}: {}", named_by, file.string(), error.what()));
  }
}

/// Takes "_base_" out of a file's outermost object.
std::vector<std::string> take_bases(Json& json, const std::string& origin) {
  const auto found = json.find("_base_");
  if (found == json.end()) return {};
  const Json list = found->is_array() ? *found : Json::array({*found});
  if (!std::all_of(list.begin(), list.end(), [](const Json& base) { return base.is_string(); })) {
    throw ConfigError(origin + ": _base_: must be a file name or a list of them");
  }
  json.erase("_base_");
  return list;
}

/// Lays the file's bases and then the file itself over the document; `chain` holds the files that led here.
void merge_file(Document& document, const fs::path& file, std::vector<fs::path>& chain) {
  const std::string origin = file.string();
  const std::string named_by = chain.empty() ? "" : chain.back().string() + ": _base_: ";
  Json json = parse_file(read_file(file, named_by), origin);
  std::error_code ignored;  // the files were read a moment ago
  if (std::any_of(chain.begin(), chain.end(),
                  [&](auto& open) { return fs::equivalent(open, file, ignored); })) {
    throw ConfigError(fmt::format("{}{} is already one of the files that lead here", named_by, origin));
  }
  chain.push_back(file);
  for (const auto& base : take_bases(json, origin)) {
    merge_file(document, (file.parent_path() / base).lexically_normal(), chain);
  }
  chain.pop_back();
  document.merge(json, origin);
}

Json parse_override(std::string_view text, size_t depth) {
  try {
    return parse_json<Json>(text, {.max_depth = kMaxDepth - std::min(depth, kMaxDepth)});
  } catch (const JsonSyntaxError&) {
    return std::string(text);
  }
}

void merge_override(Document& document, const std::string& text) {
  const auto fail = [](std::string_view key, std::string_view what) {
    throw ConfigError(fmt::format("{}: {}: {}", kCommandLine, key, what));
  };
  const size_t equals = text.find('=');
  if (equals == std::string::npos) fail(text, "an override is key=value, as in train.lr=0.01");
  const std::string key = text.substr(0, equals);

  const auto parts = split_key(key);
  if (std::count(parts.begin(), parts.end(), "") || parts.size() > kMaxDepth) {
    fail(text, "a key is names with dots between them, as in train.lr=0.01");
  }
  std::string outer;
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    outer = join_key(outer, parts[i]);
    const Json* value = document.find(outer);
    if (value && !value->is_object()) fail(key, fmt::format("{} is {}, not an object", outer, value->dump()));
  }

  try {
    Json patch = parse_override(std::string_view(text).substr(equals + 1), parts.size());
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
      Json outer = Json::object();
      outer[*part] = std::move(patch);
      patch = std::move(outer);
    }
    patch.dump();  // throws when the text is not UTF-8
    document.merge(patch, kCommandLine);
    document.override_stages(patch);
  } catch (const JsonError& error) {
    fail(key, error.what());
  } catch (const Json::type_error&) {
    fail(key, "not valid UTF-8");
  }
}

void merge_overrides(Document& document, std::span<const std::string> overrides) {
  for (const auto& text : overrides) merge_override(document, text);
}

void list_entries(const Document& document, const Json& object, const std::string& path,
                  std::vector<Config::Entry>& entries) {
  for (const auto& [name, value] : object.items()) {
    const std::string key = join_key(path, name);
    if (value.is_object() && !value.empty()) {
      list_entries(document, value, key, entries);
    } else {
      entries.push_back({.key = key, .value = value.dump(), .origin = document.origin(key)});
    }
  }
}

}  // namespace

Config Config::load(const fs::path& file, std::span<const std::string> overrides) {
  auto document = std::make_shared<Document>(file.string());
  std::vector<fs::path> chain;
  merge_file(*document, file, chain);
  merge_overrides(*document, overrides);
  return Config(std::move(document));
}

Config Config::parse(std::string_view text, const std::string& origin,
                     std::span<const std::string> overrides) {
  auto document = std::make_shared<Document>(origin);
  document->merge(parse_file(text, origin), origin);
  merge_overrides(*document, overrides);
  return Config(std::move(document));
}

Node Config::root() const {
  return {document_, ""};
}

Config Config::without(const std::string& key) const {
  auto document = std::make_shared<Document>(*document_);
  document->erase(key);
  return Config(std::move(document));
}

Config Config::merged(const Node& patch, const std::string& part) const {
  auto document = std::make_shared<Document>(*document_);
  if (const Json* object = patch.document_->find(patch.path_))
    document->merge(*object, fmt::format("{}, {}", patch.document_->origin(patch.path_), part));
  return Config(std::move(document));
}

Config Config::replaced(
    const std::function<std::string(const std::string& key, const std::string& value)>& replace) const {
  auto document = std::make_shared<Document>(*document_);
  document->replace_strings(replace);
  return Config(std::move(document));
}

ConfigError Config::error(const std::string& key, std::string_view what) const {
  return document_->error(key, what);
}

std::string Config::dump() const {
  return document_->root().dump(2);
}

std::vector<Config::Entry> Config::entries() const {
  std::vector<Entry> entries;
  list_entries(*document_, document_->root(), "", entries);
  return entries;
}

std::vector<Difference> differences(const Config& before, const Config& after) {
  std::map<std::string, std::string> left;
  const auto after_entries = after.entries();
  for (const auto& entry : after_entries) left.emplace(entry.key, entry.value);
  std::vector<Difference> found;
  for (const auto& entry : before.entries()) {
    const auto other = left.extract(entry.key);
    const std::string value = other ? other.mapped() : "";
    if (value != entry.value) found.push_back({.key = entry.key, .before = entry.value, .after = value});
  }
  for (const auto& entry : after_entries) {
    if (left.contains(entry.key)) found.push_back({.key = entry.key, .before = "", .after = entry.value});
  }
  return found;
}

fs::path data_path(const fs::path& path) {
  const char* folder = std::getenv("RCNN_DATA");
  return fs::path(folder && *folder ? folder : "data") / path;  // an absolute path replaces the folder
}

}  // namespace rcnn::config
