#include <rcnn/io/detectron2_file.h>

#include "io/element_types.h"
#include "io/files/atomic_writer.h"
#include "io/pickle/pickle_writer.h"
#include "io/raw_tensor.h"

namespace rcnn::io {
namespace {

/// dtype("f4", False, True) and its state (3, "<", None, None, None, -1, -1, 0).
void write_type(pickle::Writer& pickle, at::ScalarType type) {
  const auto name = name_of(&ElementType::numpy, type).value();
  pickle.global("numpy", "dtype").op('(').text(name).boolean(false).boolean(true).op('t').op('R');
  pickle.op('(').integer(3).text(at::elementSize(type) == 1 ? "|" : "<");
  pickle.none().none().none().integer(-1).integer(-1).integer(0).op('t').op('b');
}

/// All of an array up to its data: _reconstruct(ndarray, (0,), b"b") and the state (1, shape, dtype, False,
/// data).
void begin_array(pickle::Writer& pickle, const at::Tensor& tensor) {
  const int64_t none = 0;
  // numpy 2 reads this name as well, by which numpy 1 alone knows it.
  pickle.global("numpy.core.multiarray", "_reconstruct").op('(');
  pickle.global("numpy", "ndarray").sizes({&none, 1}).bytes_follow(1).op('b').op('t').op('R');
  pickle.op('(').integer(1).sizes(tensor.sizes());
  write_type(pickle, tensor.scalar_type());
  pickle.boolean(false).bytes_follow(tensor.nbytes());
}

}  // namespace

void write_detectron2(const std::filesystem::path& file, const std::map<std::string, at::Tensor>& tensors) {
  check_writable(file, tensors, &ElementType::numpy);
  AtomicWriter writer(file, total_bytes(tensors));
  // Protocol 4 is the first that can hold bytes of any length as they are: protocol 2 has them as text.
  pickle::Writer pickle(4);
  pickle.op('}').op('(').text("model").op('}').op('(');
  for (const auto& [name, tensor] : tensors) {
    begin_array(pickle.text(name), tensor);
    writer.write(pickle.take());
    writer.write(WrittenTensor(tensor).bytes());  // one at a time, for what lies on a GPU
    pickle.op('t').op('b');
  }
  pickle.op('u').text("__author__").text("rcnn").text("matching_heuristics").boolean(false).op('u').op('.');
  writer.write(pickle.take());
  writer.commit();
}

}  // namespace rcnn::io
