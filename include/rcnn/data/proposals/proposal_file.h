#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <rcnn/data/dataset.h>
#include <rcnn/data/problems.h>
#include <rcnn/export.h>

namespace rcnn::data {

/// What may be objects on one image.
struct ImageProposals {
  std::string id = {};             ///< Record::id; empty in a file that has no ids, but an order
  std::vector<Box> boxes = {};     ///< in the pixels of the image as it is stored, best first
  std::vector<float> scores = {};  ///< one a box, or none where the file has no scores
};

/// What a file of stored proposals holds.
struct ProposalList {
  std::vector<ImageProposals> images = {};
  bool has_ids = true;  ///< otherwise the images are those of the data set, in its order
};

/// The most proposals that an image may have.
inline constexpr int64_t kMostProposals = 100'000;

/// Reads a file of stored proposals; its content tells which of these it is:
///
///     COCO-style JSON            [{"image_id", "bbox": [x, y, width, height], "score"}, ...]; other keys are
///                                passed over. The box [0, 0, 0, 0] stands for an image without proposals
///     detectron2                 .pkl: {"ids", "boxes", "objectness_logits", "bbox_mode"}; continuous edges,
///                                x2 and y2 exclusive (bbox_mode 0) or width and height (1)
///     Detectron                  .pkl: {"ids" or "indexes", "boxes", "scores", "cfg"}; inclusive corners
///     from
///                                0, for its widths are x2 - x1 + 1. "cfg" or "indexes" tells it from
///                                detectron2's, which has neither
///     py-faster-rcnn             .pkl: a list of arrays [P, 4]; inclusive corners from 0; neither ids nor
///                                scores
///     py-faster-rcnn, R-CNN      .mat, level 5: a cell array `boxes` of arrays [P, 4] (y1, x1, y2, x2);
///                                inclusive corners from 1; ids where there is a cell array `images` of names
///
/// Python 2's pickles are read, too; nothing of Python runs. Boxes are as everywhere here: x2 and y2
/// exclusive, so that an inclusive corner moves by a pixel. Where there are scores an image's proposals are
/// sorted by them, equal ones in their order. A box that is repeated counts once. Throws DataError, with all
/// that is wrong, for a file that is none of these or is damaged, for coordinates or scores that are not
/// finite, a box whose corners are in the wrong order, an image that is there twice, for more than
/// kMostProposals on an image, and where no box of the whole file leaves the first pixels of its image, as
/// shares of the image do not.
RCNN_EXPORT ProposalList read_proposals(const std::filesystem::path& file);

/// Throws ConfigError, naming the endings that write_proposals() knows, for another one.
RCNN_EXPORT void check_proposal_ending(const std::filesystem::path& file);

/// Throws DataError where a file of that ending cannot hold an image id: those of .mat are names of files, of
/// ASCII letters, without folders and endings.
RCNN_EXPORT void check_proposal_id(const std::filesystem::path& file, const std::string& id);

/// Writes a file that read_proposals() reads, with the same floats: .json is COCO-style JSON with category 1,
/// .pkl detectron2's, where 0, -1, -2, ... stand for scores that there are not, .mat py-faster-rcnn's without
/// scores, with the ids as `images`. Image ids that are whole numbers are written as numbers. Of a list
/// without ids .pkl is py-faster-rcnn's. At every moment the old file or the whole new one is there; the same
/// list gives the same bytes. Throws ConfigError for another ending and for .json without ids, and DataError
/// for what the format cannot hold and when the disk refuses.
RCNN_EXPORT void write_proposals(const std::filesystem::path& file, const ProposalList& list);

/// Whether a box reaches less than a pixel beyond an image. Programs that scale images clip at rounded sizes,
/// and then add the pixel of an inclusive corner: what they write may reach a part of a pixel beyond.
RCNN_EXPORT bool lies_on(const Box& box, ImageSize image);

/// How proposals become those of a data set.
struct ProposalOptions {
  std::filesystem::path file = {};  ///< for messages
  int64_t limit = 0;                ///< the best so many of an image; 0 for all
  Policy bad_boxes = Policy::skip;  ///< boxes without width or height
  Policy bad_images =
      Policy::stop;  ///< images of the data set that the list does not have: skip leaves them out
};

/// The data set with proposals: Record::proposals of each image, clipped to it. A list with ids is joined by
/// them (COCO's image id, VOC's stem), and where none of them is in the data set, by the names of the image
/// files, without their endings or with them: so proposals made on VOC's files are those of COCO's, too.
/// Images that it has beyond the data set are counted in one warning, as are images whose list of proposals
/// is empty. One without ids has to have as many images as the data set. All that is wrong is added to
/// `problems`. A box that reaches a pixel or more beyond its image is an error, which says how many there
/// are: the file is of another size of the images, of other images, or counts from 1 what should count from
/// 0.
RCNN_EXPORT std::shared_ptr<Dataset> with_proposals(std::shared_ptr<const Dataset> dataset, ProposalList list,
                                                    const ProposalOptions& options, Problems& problems);

}  // namespace rcnn::data
