#include "data/formats/yolo/yolo_lines.h"

#include "fuzz_data.h"

/// The first byte chooses among the options, the rest are lines.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rcnn::data;
  if (size == 0) return 0;
  const int choice = data[0];
  YoloLinesOptions options{.names = {"dog", "", "cat"}, .with_details = choice % 2 == 0};
  constexpr const char* kKinds[] = {"", "box", "outline", "oriented", "pose"};
  options.kind = kKinds[choice / 2 % 5];
  if (choice >= 128 || options.kind == "pose") options.keypoint_shape = {2 + choice % 3, 2 + choice % 2};
  CocoFile content{.images = {{.id = 1, .file_name = "a.jpg", .size = {150, 200}, .name = "a"}},
                   .annotations = {},
                   .categories = {{1, "dog"}, {3, "cat"}}};
  Problems problems;
  try {
    YoloLines lines(options, content, problems);
    lines.read({reinterpret_cast<const char*>(data) + 1, size - 1}, 0, "a.txt");
    lines.finish();
  } catch (const rcnn::DataError& error) {
    require(std::strlen(error.what()) > 0);
    return 0;
  }
  check(content);
  check(problems);
  return 0;
}
