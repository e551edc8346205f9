#include <fstream>
#include <string>

#include <c10/util/Exception.h>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/image.h>
#include <rcnn/data/scenes.h>
#include <rcnn/error.h>

#include "data/random.h"
#include "data/scene.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

void write(const fs::path& file, std::string_view text) {
  std::ofstream out(file, std::ios::binary);
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  out.close();
  if (!out) throw DataError(fmt::format("{}: cannot be written; is the disk full?", file.string()));
}

std::string annotation(const std::string& id, const Scene& scene) {
  std::string xml = fmt::format(
      "<annotation>\n"
      "  <folder>JPEGImages</folder>\n"
      "  <filename>{}.jpg</filename>\n"
      "  <source><database>drawn by rcnn</database></source>\n"
      "  <size><width>{}</width><height>{}</height><depth>3</depth></size>\n"
      "  <segmented>0</segmented>\n",
      id, scene.owners.cols, scene.owners.rows);
  for (const SceneObject& object : scene.objects) {
    const cv::Rect& box = object.box;
    xml += fmt::format(  // corners counted from 1, the last one inside the box
        "  <object>\n"
        "    <name>{}</name><pose>Unspecified</pose>\n"
        "    <truncated>{:d}</truncated><difficult>{:d}</difficult>\n"
        "    <bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>\n"
        "  </object>\n",
        kShapes[object.shape], object.truncated, object.difficult, box.x + 1, box.y + 1, box.x + box.width,
        box.y + box.height);
  }
  return xml + "</annotation>\n";
}

}  // namespace

void draw_scenes(const fs::path& root, const SceneOptions& options) {
  TORCH_CHECK(options.train >= 0 && options.test >= 0 && options.train + options.test > 0,
              "draw_scenes: nothing to draw for ", options.train, " and ", options.test, " images");
  TORCH_CHECK(options.size.height >= 32 && options.size.width >= 32, "draw_scenes: images of ",
              options.size.height, " x ", options.size.width, " are too small; at least 32 x 32");
  std::error_code error;
  if (fs::exists(root, error) && !fs::is_empty(root, error)) {
    throw DataError(fmt::format("{}: is there already; name a new folder or delete this one", root.string()));
  }
  for (const char* folder : {"Annotations", "JPEGImages", "ImageSets/Main"}) {
    fs::create_directories(root / folder, error);
    if (error)
      throw DataError(fmt::format("{}: cannot be made: {}", (root / folder).string(), error.message()));
  }

  std::string train, test;
  for (int64_t i = 0; i < options.train + options.test; ++i) {
    const Scene scene = draw_scene(options.size, hash(options.seed, i));
    const std::string id = fmt::format("scene_{:05}", i + 1);
    write_image(root / "JPEGImages" / (id + ".jpg"), scene.image);
    write(root / "Annotations" / (id + ".xml"), annotation(id, scene));
    (i < options.train ? train : test) += id + "\n";
  }
  write(root / "ImageSets/Main/train.txt", train);
  write(root / "ImageSets/Main/test.txt", test);
}

}  // namespace rcnn::data
