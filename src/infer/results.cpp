#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/infer/results.h>
#include <rcnn/io/atomic_file.h>

namespace rcnn {
namespace {

const Category& category_of(const Detection& detection, const std::vector<Category>& categories) {
  return categories.at(static_cast<size_t>(detection.label - 1));
}

/// A field of a table as RFC 4180 wants it.
std::string quoted(const std::string& field) {
  if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
  std::string text = "\"";
  for (const char c : field) text += c == '"' ? "\"\"" : std::string(1, c);
  return text + '"';
}

}  // namespace

void write_results(const std::filesystem::path& file, const std::vector<ImageDetections>& images,
                   const std::vector<Category>& categories) {
  using Json = nlohmann::ordered_json;
  auto list = Json::array();
  for (const auto& image : images) {
    for (const auto& detection : image.detections) {
      const auto& category = category_of(detection, categories);
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

void write_csv(const std::filesystem::path& file, const std::vector<ImageDetections>& images,
               const std::vector<Category>& categories) {
  std::string text = "file_name,class,class_id,score,x1,y1,x2,y2\n";
  for (const auto& image : images) {
    const auto name = quoted(image.file_name);
    for (const auto& detection : image.detections) {
      const auto& [x1, y1, x2, y2] = detection.box;
      const auto& category = category_of(detection, categories);
      text += fmt::format("{},{},{},{},{},{},{},{}\n", name, quoted(category.name), category.id,
                          detection.score, x1, y1, x2, y2);
    }
  }
  io::write_atomically(file, text);
}

}  // namespace rcnn
