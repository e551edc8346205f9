#include "data/formats/yolo/yolo_yaml.h"

#include "fuzz_data.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rcnn::data;
  return fuzz(data, size, [](const std::filesystem::path& file, Problems&) {
    const auto yaml = read_yolo_yaml(file);
    if (!yaml) return;
    for (const auto& name : yaml->names) require(rcnn::is_utf8(name));
    // What is written of it is read to the same.
    const auto text = to_text({.parts = yaml->parts, .names = yaml->names, .lines = yaml->lines});
    const auto again = read_yolo_yaml(as_file(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
    if (again) require(again->names == yaml->names && again->lines == yaml->lines);
  });
}
