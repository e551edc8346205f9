#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <rcnn/data/dataset.h>
#include <rcnn/data/images/find_images.h>
#include <rcnn/data/images/image.h>
#include <rcnn/data/proposals/search_workers.h>
#include <rcnn/export.h>

namespace rcnn {

/// Where the proposals of a detector that needs them come from, for images in their order. Those of a data
/// set are in its records: with_proposals() in data/proposals/proposal_file.h, searched().
class RCNN_EXPORT ProposalSource {
 public:
  virtual ~ProposalSource() = default;

  /// Of the image with that number and size: in its pixels, best first. Asked for each image once, in order.
  /// Throws DataError, which names the image, where they are not of such an image.
  virtual std::vector<Box> of(size_t index, ImageSize size) = 0;
};

/// Those of a file, see data::read_proposals(), joined by what an image is called there: its path below the
/// folder that was named, or its name alone, with or without the ending; zeros before a number do not matter,
/// so that COCO's ids fit its files. The best `limit` of each image. Images whose list is empty are counted
/// in one warning.
///
/// Throws DataError for images that the file lacks, for two images that would get the same entry, and for a
/// file without ids.
RCNN_EXPORT std::unique_ptr<ProposalSource> stored_proposals(const std::filesystem::path& file,
                                                             std::span<const data::FoundImage> images,
                                                             int64_t limit = 2000);

/// Those that Selective Search finds, by processes that work ahead, see data::SearchWorkers: make it before
/// there are threads. An image's name without its ending is its id.
RCNN_EXPORT std::unique_ptr<ProposalSource> searched_proposals(std::span<const data::FoundImage> images,
                                                               const data::SearchWorkersOptions& options = {},
                                                               int64_t max_megapixels = data::kMaxMegapixels);

/// The data set with the proposals that Selective Search finds now, on all its images; none for one that
/// cannot be decoded, which is left to whoever reads it. Null when `stop` ended it.
RCNN_EXPORT std::shared_ptr<const data::Dataset> with_searched_proposals(
    const std::shared_ptr<const data::Dataset>& dataset, const data::SearchWorkersOptions& options,
    const std::function<bool()>& stop, const std::function<void(int64_t done, int64_t total)>& on_progress);

}  // namespace rcnn
