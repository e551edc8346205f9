#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

#include <rcnn/data/problems.h>
#include <rcnn/data/proposals/proposal_file.h>

namespace rcnn::data {

/// Reads COCO-style JSON in memory that does not grow with the file's text. What is wrong with entries is
/// added to `problems`; boxes and scores are as they stand. Throws DataError for what is no such file.
ProposalList read_json_proposals(const std::filesystem::path& file, Problems& problems);

/// Gives the file's text to `write`, piece by piece. Throws io::Refusal for an id that JSON cannot hold.
void write_json_proposals(const ProposalList& list, const std::function<void(std::string_view)>& write);

}  // namespace rcnn::data
