#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <rcnn/export.h>

namespace rcnn::data {

/// What to do with a record that cannot be used as it is.
enum class Policy { skip, stop };

/// An error stops a training; a warning does not.
enum class Severity { warning, error };

/// What is wrong with a data set, everything at once: an entry for each kind of thing, with all its places.
class RCNN_EXPORT Problems {
 public:
  /// One kind of thing and all its places.
  struct Kind {
    Severity severity = Severity::error;
    std::string what;                ///< "dropped a box of zero size"
    std::vector<std::string> where;  ///< "Annotations/a.xml object 2 (5, 5, 5, 9)", in the order found
  };

  void error(const std::string& what, std::string where);
  void warn(const std::string& what, std::string where);

  /// Something that is left out under Policy::skip, a warning then, and an error under Policy::stop, which
  /// names the option that goes on: "... (bad_boxes=skip leaves it out)".
  void bad(Policy policy, const char* option, const std::string& what, std::string where);

  /// Takes in further ones.
  void add(const Problems& problems);

  /// Takes in those of `part`, a data set that is part of a larger one: its places begin with "part: ".
  void add(const Problems& problems, const std::string& part);

  const std::vector<Kind>& kinds() const { return kinds_; }
  bool has(Severity severity) const;

  /// How many things were left out by such an option.
  int64_t left_out(const std::string& option) const;

  /// A line for each kind of this severity, each after a line feed: what, the first places, how many more.
  std::string text(Severity severity) const;

  /// Throws DataError with all errors if there are some, and else logs the warnings as one message: on one
  /// line if they are of one kind. `origin` names the data set.
  void settle(const std::string& origin) const;

 private:
  void add(Severity severity, const std::string& what, std::string where);

  std::vector<Kind> kinds_;
  std::map<std::string, int64_t> left_out_;
};

}  // namespace rcnn::data
