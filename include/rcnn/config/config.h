#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/export.h>

namespace rcnn::config {

/// A resolved configuration: what a JSON file says after its bases are merged in and overrides are applied.
///
/// A file may name others it starts from, `"_base_": "a.json"` or a list, relative to itself. They merge left
/// to right (RFC 7396: objects merge, everything else replaces, null deletes), then the file itself, then the
/// overrides. `"_replace_": true` inside an object makes it replace the inherited one whole. Comments are
/// allowed; duplicate keys, keys that are empty or hold a dot (but in an object "factors", whose keys are
/// names of parameters), nesting deeper than 64 and a chain of bases that returns to itself are errors. A
/// dotted key has keys that hold a dot in quotes: `train.factors."rpn.*".lr`.
///
/// Where a config is a chain of stages (train/stages.h), an override also takes the place of what a stage's
/// "with" says under its key.
///
/// A value is immutable; copies share the document.
class RCNN_EXPORT Config {
 public:
  /// `overrides` are "dotted.key=value", the value in JSON or, when it is no JSON, a plain string. An object
  /// on the way that does not exist is made; an override of a key below a scalar is an error. Throws
  /// ConfigError.
  static Config load(const std::filesystem::path& file, std::span<const std::string> overrides = {});

  /// The same for a text at hand, which may have no bases; `origin` stands for the file's name in messages.
  static Config parse(std::string_view text, const std::string& origin,
                      std::span<const std::string> overrides = {});

  /// The outermost object.
  Node root() const;

  /// The same without a key of the outermost object.
  Config without(const std::string& key) const;

  /// The same with an object of a config laid over it. Messages about what comes from there name the file
  /// that it is in, and `part`: "chain.json, stage rpn".
  Config merged(const Node& patch, const std::string& part) const;

  /// The same with what `replace` makes of it in the place of every string, those in lists included.
  Config replaced(
      const std::function<std::string(const std::string& key, const std::string& value)>& replace) const;

  /// An error about a dotted key: "file: dotted.key: what".
  ConfigError error(const std::string& key, std::string_view what) const;

  /// The whole document as indented JSON, keys in the order first met; parse(dump()) gives it back.
  std::string dump() const;

  /// A leaf and where its value is from.
  struct Entry {
    std::string key;     ///< "model.rpn.nms_threshold"
    std::string value;   ///< as JSON
    std::string origin;  ///< the file, or "command line"
  };

  /// Every leaf (scalar, list or empty object) in document order with the place it came from.
  std::vector<Entry> entries() const;

 private:
  explicit Config(std::shared_ptr<const Document> document) : document_(std::move(document)) {}
  std::shared_ptr<const Document> document_;
};

/// A leaf that two configs have otherwise.
struct Difference {
  std::string key;            ///< "train.lr"
  std::string before, after;  ///< as JSON; empty where there is none
};

/// In the order of `before`, then what `after` has alone.
RCNN_EXPORT std::vector<Difference> differences(const Config& before, const Config& after);

/// Where a file named in a config lies: absolute paths as they are, relative ones under the folder that the
/// environment variable RCNN_DATA names, `data` when it is unset.
RCNN_EXPORT std::filesystem::path data_path(const std::filesystem::path& path);

}  // namespace rcnn::config
