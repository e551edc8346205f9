#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <rcnn/error.h>
#include <rcnn/export.h>

namespace rcnn::config {

class Document;  // the parsed JSON, its origins and the keys that were asked for; private to the room

/// Bounds of a number, both inclusive.
struct Range {
  double min = std::numeric_limits<double>::lowest();
  double max = std::numeric_limits<double>::max();
};

/// A strict view of one object of a config.
///
/// Each read() leaves `value` as it is when the key is absent, so defaults live in the options struct; it
/// throws ConfigError, naming the file and the dotted key, when the key holds another type (3.7 and true are
/// no integers) or a value out of range, for a list in any of its elements. finish() then refuses every key
/// nobody asked for. A view of an absent object is empty: all its keys are absent.
class RCNN_EXPORT Node {
 public:
  bool has(std::string_view key) const;

  void read(std::string_view key, bool& value) const;
  void read(std::string_view key, int64_t& value, Range range = {}) const;
  void read(std::string_view key, double& value, Range range = {}) const;
  void read(std::string_view key, std::string& value) const;
  void read(std::string_view key, std::vector<int64_t>& value, Range range = {}) const;
  void read(std::string_view key, std::vector<double>& value, Range range = {}) const;
  void read(std::string_view key, std::vector<std::string>& value) const;

  /// One of a few words, given as {word, value} pairs; any other word throws with the list.
  template <class Enum>
  requires std::is_enum_v<Enum>
  void read(std::string_view key, Enum& value,
            std::initializer_list<std::pair<std::string_view, Enum>> words) const {
    if (!has(key)) return;
    std::vector<std::string_view> known;
    for (const auto& [word, meaning] : words) known.push_back(word);
    value = std::data(words)[one_of(key, known)].second;
  }

  /// The place in `words` of the string under `key`, which must be there and one of them.
  size_t one_of(std::string_view key, const std::vector<std::string_view>& words) const;

  /// The string under `key`; throws when it is absent or no string.
  std::string require(std::string_view key) const;

  /// Whether there is a list under `key`.
  bool is_list(std::string_view key) const;

  /// Whether there is an object under `key`.
  bool is_object(std::string_view key) const;

  /// The objects of the list under `key`, none when it is absent; throws when it or an element is something
  /// else. Messages call them key.1, key.2, ...
  std::vector<Node> list(std::string_view key) const;

  /// The keys of this object, in their order; all are asked for.
  std::vector<std::string> keys() const;

  /// The object under `key`, an empty view when it is absent; throws when it is something else.
  Node child(std::string_view key) const;

  /// Throws ConfigError for the first key of this object that was never asked for, with the nearest name that
  /// was. Where a `choice` ("type rpn") decides which keys there are, the message names it, and how to take a
  /// key away that was inherited from a config of another choice.
  void finish(std::string_view choice = {}) const;

  /// Throws ConfigError when one of `keys` is there, which has no meaning with `choice` ("solver adamw"), and
  /// says how to take it away.
  void refuse(std::initializer_list<std::string_view> keys, std::string_view choice) const;

  /// An error about `key` of this object: "file: dotted.key: what".
  ConfigError error(std::string_view key, std::string_view what) const;

 private:
  friend class Config;
  Node(std::shared_ptr<const Document> document, std::string path);

  /// "model.roi=null takes an inherited one away"
  std::string way_out(std::string_view key) const;

  std::shared_ptr<const Document> document_;
  std::string path_;  // "model.rpn"; empty for the outermost object
};

}  // namespace rcnn::config
