#include "fuzz.h"
#include "io/pickle/pickle.h"
#include "io/torch_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rcnn::io;
  return fuzz(data, size, [&](const Memory& file) {
    return read_numpy_pickle(file, pickle::load(file.view()), averages_of(size));
  });
}
