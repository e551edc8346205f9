#pragma once

#include <functional>
#include <string_view>

#include <rcnn/data/problems.h>
#include <rcnn/data/proposals/proposal_file.h>

#include "io/files/mapped_file.h"

namespace rcnn::data {

/// Reads detectron2's, Detectron's and py-faster-rcnn's pickles. What is wrong with an image's entry is added
/// to `problems`; boxes and scores are as they stand, but x2 and y2 exclusive. Throws io::Refusal for what is
/// no such file.
ProposalList read_pickle_proposals(const io::Memory& file, Problems& problems);

/// Gives the file's bytes to `write`, piece by piece: detectron2's with ids, else py-faster-rcnn's.
void write_pickle_proposals(const ProposalList& list, const std::function<void(std::string_view)>& write);

}  // namespace rcnn::data
