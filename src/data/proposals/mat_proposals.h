#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <rcnn/data/problems.h>
#include <rcnn/data/proposals/proposal_file.h>

namespace rcnn::data {

/// Reads the cell arrays `boxes` and, where there is one, `images` of a MATLAB file of level 5. What is wrong
/// with an image's entry is added to `problems`; boxes are as they stand, but as everywhere here. Throws
/// io::Refusal for what is no such file, of level 7.3 for one.
ProposalList read_mat_proposals(std::string_view file, Problems& problems);

/// Throws io::Refusal for an id that read_mat_proposals() would not give back.
void check_mat_id(const std::string& id);

/// Gives the file's bytes to `write`, piece by piece. Throws io::Refusal for what the format cannot hold.
void write_mat_proposals(const ProposalList& list, const std::function<void(std::string_view)>& write);

}  // namespace rcnn::data
