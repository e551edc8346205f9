#include <c10/util/strides.h>
#include <spdlog/fmt/fmt.h>

#include <rcnn/io/torch_file.h>

#include "io/element_types.h"
#include "io/files/atomic_writer.h"
#include "io/pickle/pickle_writer.h"
#include "io/raw_tensor.h"
#include "io/zip/zip_writer.h"

namespace rcnn::io {
namespace {

constexpr std::string_view kModule = "torch";

/// _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks), whose storage is
/// data/<index>.
void write_tensor(pickle::Writer& pickle, const at::Tensor& tensor, size_t index) {
  const auto storage =
      name_of(&ElementType::storage, tensor.scalar_type()).value().substr(kModule.size() + 1);
  pickle.global("torch._utils", "_rebuild_tensor_v2").op('(');
  pickle.op('(').text("storage").global(kModule, storage).text(fmt::format("{}", index)).text("cpu");
  pickle.integer(tensor.numel()).op('t').op('Q');
  pickle.integer(0).sizes(tensor.sizes()).sizes(c10::contiguous_strides(tensor.sizes())).boolean(false);
  pickle.global("collections", "OrderedDict").op(')').op('R').op('t').op('R');
}

std::string write_pickle(const std::map<std::string, at::Tensor>& tensors) {
  pickle::Writer pickle(2);
  pickle.global("collections", "OrderedDict").op(')').op('R').op('(');
  size_t index = 0;
  for (const auto& [name, tensor] : tensors) {
    pickle.text(name);
    write_tensor(pickle, tensor, index++);
  }
  return pickle.op('u').op('.').take();
}

}  // namespace

void write_torch(const std::filesystem::path& file, const std::map<std::string, at::Tensor>& tensors) {
  check_writable(file, tensors, &ElementType::storage);
  AtomicWriter writer(file, total_bytes(tensors));
  ZipWriter zip(writer);
  zip.add("archive/data.pkl", write_pickle(tensors));
  zip.add("archive/byteorder", "little");
  size_t index = 0;
  for (const auto& [name, tensor] : tensors) {
    // One at a time, for what lies on a GPU.
    zip.add(fmt::format("archive/data/{}", index++), WrittenTensor(tensor).bytes());
  }
  zip.add("archive/version", "3\n");
  zip.finish();
  writer.commit();
}

}  // namespace rcnn::io
