#pragma once

#include <filesystem>
#include <set>
#include <string>

namespace rcnn::tools {

/// Finds the images that a list of results names.
class ListedImages {
 public:
  /// Below `folder` alone. Empty: below the current folder when `foreign`, for the names are an annotation
  /// file's; otherwise wherever a name leads, for that is what `rcnn detect` writes.
  ListedImages(const std::filesystem::path& folder, bool foreign)
      : folder_(folder), confined_(foreign || !folder.empty()) {}

  /// The file of a name, with or without the name's own folders. Empty when it is not there, or may not be
  /// shown.
  std::filesystem::path find(const std::string& name);

  /// Whether find() met a file of this name that may not be shown.
  bool leads_out(const std::string& name) const { return outside_.contains(name); }

  /// Of all such names; empty when there is none.
  std::string warning() const;

 private:
  std::filesystem::path folder_;
  bool confined_;
  std::set<std::string> outside_;
};

}  // namespace rcnn::tools
