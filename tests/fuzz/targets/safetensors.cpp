#include "io/safetensors.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rcnn::io;
  return fuzz(data, size, [](const Memory& file) { return parse_safetensors(file); });
}
