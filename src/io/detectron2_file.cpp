#include <rcnn/io/detectron2_file.h>

#include "io/element_types.h"
#include "io/files/atomic_writer.h"
#include "io/pickle/pickle_writer.h"
#include "io/raw_tensor.h"

namespace rcnn::io {

void write_detectron2(const std::filesystem::path& file, const std::map<std::string, at::Tensor>& tensors) {
  check_writable(file, tensors, &ElementType::numpy);
  AtomicWriter writer(file, total_bytes(tensors));
  // Protocol 4 is the first that can hold bytes of any length as they are: protocol 2 has them as text.
  pickle::Writer pickle(4);
  pickle.op('}').op('(').text("model").op('}').op('(');
  for (const auto& [name, tensor] : tensors) {
    const auto type = name_of(&ElementType::numpy, tensor.scalar_type()).value();
    pickle.text(name).begin_array(tensor.sizes(), type, tensor.element_size(), tensor.nbytes());
    writer.write(pickle.take());
    writer.write(WrittenTensor(tensor).bytes());  // one at a time, for what lies on a GPU
    pickle.end_array();
  }
  pickle.op('u').text("__author__").text("rcnn").text("matching_heuristics").boolean(false).op('u').op('.');
  writer.write(pickle.take());
  writer.commit();
}

}  // namespace rcnn::io
