#include <nlohmann/json.hpp>

#include <rcnn/infer/results.h>
#include <rcnn/io/atomic_file.h>

namespace rcnn {

void write_results(const std::filesystem::path& file, const std::vector<ImageDetections>& images,
                   const std::vector<Category>& categories) {
  using Json = nlohmann::ordered_json;
  auto list = Json::array();
  for (const auto& image : images) {
    for (const auto& detection : image.detections) {
      const auto& category = categories.at(static_cast<size_t>(detection.label - 1));
      const auto& box = detection.box;
      list.push_back({{"image_id", image.image_id},
                      {"file_name", image.file_name},
                      {"category_id", category.id},
                      {"category_name", category.name},
                      {"bbox", {box.x1, box.y1, box.width(), box.height()}},
                      {"score", detection.score}});
    }
  }
  // File names are bytes to the system; what is no UTF-8 is written with replacement characters.
  io::write_atomically(file, list.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace rcnn
