#include "fuzz.h"
#include "io/caffe_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rcnn::io;
  return fuzz(data, size, [](const Memory& file) { return read_caffe(file); });
}
