#include <utility>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/infer/results.h>
#include <rcnn/io/files/atomic_file.h>

#include "io/files/growing_file.h"

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

/// The entries of an image with commas between, as they stand in a list of COCO's results.
std::string entries_of(const ImageDetections& image, const std::vector<Category>& categories) {
  using Json = nlohmann::ordered_json;
  if (image.detections.empty()) return {};
  auto list = Json::array();
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
  // File names are bytes to the system; what is no UTF-8 is written with replacement characters.
  const auto text = list.dump(1, ' ', false, Json::error_handler_t::replace);
  return text.substr(1, text.size() - std::string_view("[\n]").size());
}

constexpr const char* kHeader = "file_name,class,class_id,score,x1,y1,x2,y2\n";

/// The lines of an image in a table.
std::string lines_of(const ImageDetections& image, const std::vector<Category>& categories) {
  std::string text;
  const auto name = quoted(image.file_name);
  for (const auto& detection : image.detections) {
    const auto& [x1, y1, x2, y2] = detection.box;
    const auto& category = category_of(detection, categories);
    text += fmt::format("{},{},{},{},{},{},{},{}\n", name, quoted(category.name), category.id,
                        detection.score, x1, y1, x2, y2);
  }
  return text;
}

}  // namespace

void write_results(const std::filesystem::path& file, const std::vector<ImageDetections>& images,
                   const std::vector<Category>& categories) {
  std::string text = "[";
  for (const auto& image : images) {
    const auto entries = entries_of(image, categories);
    if (text.size() > 1 && !entries.empty()) text += ',';
    text += entries;
  }
  text += text.size() > 1 ? "\n]\n" : "]\n";
  io::write_atomically(file, text);
}

void write_csv(const std::filesystem::path& file, const std::vector<ImageDetections>& images,
               const std::vector<Category>& categories) {
  std::string text = kHeader;
  for (const auto& image : images) text += lines_of(image, categories);
  io::write_atomically(file, text);
}

struct ResultsFile::State {
  const Form form;
  const std::vector<Category> categories;
  io::GrowingFile file;
  bool in_place = false, empty = true;

  void put_in_place() {
    if (!std::exchange(in_place, true)) file.put_in_place();
  }
};

ResultsFile::ResultsFile(std::filesystem::path file, Form form, const std::vector<Category>& categories)
    : state_(new State{.form = form,
                       .categories = categories,
                       .file = form == Form::json ? io::GrowingFile(std::move(file), "[", "]\n")
                                                  : io::GrowingFile(std::move(file), kHeader, "")}) {}

ResultsFile::~ResultsFile() = default;

void ResultsFile::add(const ImageDetections& image) {
  auto& [form, categories, file, in_place, empty] = *state_;
  if (!image.detections.empty()) {
    if (form == Form::csv) {
      file.append(lines_of(image, categories), "");
    } else {
      file.append(fmt::format("{}{}", empty ? "" : ",", entries_of(image, categories)), "\n]\n");
    }
    empty = false;
  }
  state_->put_in_place();
}

void ResultsFile::finish() {
  state_->put_in_place();
  state_->file.sync();
}

}  // namespace rcnn
