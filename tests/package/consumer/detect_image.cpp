// detect_image WEIGHTS IMAGE: what is on a picture.
#include <cstdio>
#include <filesystem>

#include <rcnn/rcnn.h>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const auto detector = rcnn::Detector::load(argv[1]);
  for (const auto& [box, score, id, name] : detector.detect(std::filesystem::path(argv[2]))) {
    std::printf("%s %.2f at (%.0f, %.0f) to (%.0f, %.0f)\n", name.c_str(), score, box.x1, box.y1, box.x2,
                box.y2);
  }
}
