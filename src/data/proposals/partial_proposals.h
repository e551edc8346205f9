#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <rcnn/data/proposals/make_proposals.h>

namespace rcnn::data {

/// A file of proposals in the making, to which images are added as they are done: records of a length, the
/// content and its checksum, the first of which says what the proposals are of. Locked while it is open; a
/// record says which process has it. Errors are those of make_proposals().
class PartialProposals {
 public:
  using Description = std::vector<std::pair<std::string, std::string>>;

  PartialProposals(std::filesystem::path file, const Description& description, bool resume);
  ~PartialProposals();
  PartialProposals(const PartialProposals&) = delete;
  PartialProposals& operator=(const PartialProposals&) = delete;

  /// What earlier processes made; gives it away.
  std::vector<MadeProposals> take() { return std::move(made_); }

  /// Says that this process goes on with it.
  void sign();

  /// An image without an error.
  void add(const MadeProposals& made);

 private:
  void open_file();
  void read(const Description& description, bool resume);
  void check_description(const nlohmann::json& head, const Description& description) const;
  void append(const nlohmann::json& content);
  [[noreturn]] void fail(std::string_view what) const;

  const std::filesystem::path file_;
  int descriptor_ = -1;
  std::vector<MadeProposals> made_;
};

}  // namespace rcnn::data
