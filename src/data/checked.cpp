#include <spdlog/fmt/fmt.h>

#include <rcnn/data/checked.h>
#include <rcnn/error.h>

namespace rcnn::data {

void check_labels(const Dataset& dataset) {
  const auto count = std::ssize(dataset.categories());
  for (int64_t i = 0; i < dataset.size(); ++i) {
    for (const auto& object : dataset.record(i).objects) {
      if (object.label >= 1 && object.label <= count) continue;
      throw DataError(
          fmt::format("record {}: an object has the label {}, and the data set has {} categories: "
                      "labels go from 1 to {}",
                      dataset.record(i).id, object.label, count, count));
    }
  }
}

at::Tensor checked_image(const Dataset& dataset, int64_t index) {
  auto image = dataset.image(index);
  const auto& record = dataset.record(index);
  const ImageSize size{image.size(0), image.size(1)};
  if (record.size == ImageSize{} || record.size == size) return image;
  throw DataError(
      fmt::format("{}: has {} x {} pixels, and had {} x {} when the data set was read: its boxes no longer "
                  "fit; put the earlier image back, or begin again with the data as they are now",
                  record.image.empty() ? "the image of record " + record.id : record.image.string(),
                  size.width, size.height, record.size.width, record.size.height));
}

}  // namespace rcnn::data
