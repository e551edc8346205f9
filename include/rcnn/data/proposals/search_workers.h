#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <rcnn/data/dataset.h>
#include <rcnn/data/proposals/selective_search.h>
#include <rcnn/export.h>

namespace rcnn::data {

/// Images for Selective Search.
struct SearchImages {
  std::vector<std::string> ids = {};              ///< an image's seed comes from its id
  std::vector<std::filesystem::path> files = {};  ///< as many, for messages
  /// Reads the image of that number, uint8 [H, W, 3] RGB; uses no thread. A DataError is the image's own.
  std::function<at::Tensor(int64_t index)> read = {};

  /// Those of a data set, by their record's ids. The data set has to outlive them.
  static RCNN_EXPORT SearchImages of(const Dataset& dataset);

  int64_t size() const { return std::ssize(ids); }
};

/// How SearchWorkers search.
struct SearchWorkersOptions {
  SelectiveSearchOptions search = {};
  uint64_t seed =
      0;  ///< images of the same id, pixels and seed have the same boxes, whatever else is searched
  int64_t jobs = 0;  ///< processes; 0 for one a core
};

/// What became of one image.
struct SearchedImage {
  int64_t index = 0;
  std::vector<Box> boxes = {};  ///< see selective_search()
  std::string error = {};       ///< what is wrong with the image, if anything; then there are no boxes
};

/// Selective Search on many images by processes of their own, for its random numbers are the C library's,
/// which threads share. The processes are forked when this is made: no other thread may be at work then. They
/// end with this, and with the process.
class RCNN_EXPORT SearchWorkers {
 public:
  /// Throws Error when the system refuses a process.
  SearchWorkers(SearchImages images, const SearchWorkersOptions& options);
  ~SearchWorkers();
  SearchWorkers(const SearchWorkers&) = delete;
  SearchWorkers& operator=(const SearchWorkers&) = delete;

  /// Puts images behind those that are to be searched.
  void add(const std::vector<int64_t>& indices);

  /// An image that is done, in whatever order: waits for it. None when there is no other, and when a signal
  /// came and `stop` then says so. Throws MemoryError that names the image when memory ran out on it, and
  /// Error when its process ended, such as by the system for want of memory.
  std::optional<SearchedImage> next(const std::function<bool()>& stop = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rcnn::data
