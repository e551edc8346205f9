#include "demo/scenes.h"

#include <string>

#include <c10/util/Exception.h>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/formats/voc/voc_file.h>
#include <rcnn/data/images/image.h>
#include <rcnn/error.h>
#include <rcnn/io/files/atomic_file.h>
#include <rcnn/io/files/new_folder.h>

#include "data/loading/random.h"
#include "demo/scene.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;

data::VocFile annotation(const std::string& id, const Scene& scene) {
  data::VocFile file{.file_name = id + ".jpg", .size = ImageSize{scene.owners.rows, scene.owners.cols}};
  for (const SceneObject& object : scene.objects) {
    const cv::Rect& box = object.box;
    file.objects.push_back(
        {.name = std::string(kShapes[object.shape]),
         .corners = {box.x + 1.0, box.y + 1.0, double(box.x + box.width), double(box.y + box.height)},
         .difficult = object.difficult,
         .attributes = {{"truncated", object.truncated ? "\"1\"" : "\"0\""}}});
  }
  return file;
}

}  // namespace

void draw_scenes(const fs::path& root, const SceneOptions& options) {
  TORCH_CHECK(options.train >= 0 && options.test >= 0 && options.train + options.test > 0,
              "draw_scenes: nothing to draw for ", options.train, " and ", options.test, " images");
  TORCH_CHECK(options.size.height >= 32 && options.size.width >= 32, "draw_scenes: images of ",
              options.size.height, " x ", options.size.width, " are too small; at least 32 x 32");
  io::make_new_folder(root);
  for (const char* folder : {"Annotations", "ImageSets/Main", "JPEGImages"})
    io::make_new_folder(root / folder);
  std::string train, test;
  for (int64_t i = 0; i < options.train + options.test; ++i) {
    const Scene scene = draw_scene(options.size, data::hash(options.seed, i));
    const std::string id = fmt::format("scene_{:05}", i + 1);
    data::write_image(root / "JPEGImages" / (id + ".jpg"), scene.image);
    data::write_voc_file(root / "Annotations" / (id + ".xml"), annotation(id, scene));
    (i < options.train ? train : test) += id + "\n";
  }
  io::write_atomically(root / "ImageSets/Main/train.txt", train);
  io::write_atomically(root / "ImageSets/Main/test.txt", test);
}

}  // namespace rcnn::tools
