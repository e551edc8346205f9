#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <rcnn/error.h>
#include <rcnn/export.h>

namespace rcnn::io {

/// The tensors of a weight file of any kind that the field uses, by name.
struct WeightFile {
  enum class Format {
    safetensors,
    torch_zip,     ///< torch.save since 1.6
    torch_legacy,  ///< torch.save before, or with _use_new_zipfile_serialization=False
    numpy_pickle,  ///< a dict of numpy arrays: detectron2's and Detectron's .pkl
  };

  Format format = Format::safetensors;
  /// CPU. Of any strides, and several may share memory, as they did when they were saved.
  std::map<std::string, at::Tensor> tensors;
  /// Text and numbers that lie beside the tensors, as text: "epoch", "__author__", safetensors' metadata.
  std::map<std::string, std::string> metadata;
  /// The key of the dict that the tensors were taken from ("model", "state_dict"); empty for the file itself.
  std::string root;
  /// The other entries of the file, where there is a root: "optimizer", "lr_scheduler".
  std::vector<std::string> left_out;
};

/// Reads a weight file; the format is found by content, whatever the file's name. Nested dicts and lists are
/// flattened: {"a": {"b": [t]}} has the tensor a.b.0. Of a file that holds one of the dicts model,
/// state_dict, model_state_dict, model_ema, net, network, weights and blobs, with tensors in it, and no
/// tensors of a dimension or more beside it, this dict alone is read: the first of these, in this order.
///
/// Pickles are read by a machine of our own that knows state dicts and arrays, and nothing else: no code of
/// the file ever runs. Floating point, integers of 8 to 64 bits and bool are known as element types (uint16
/// to uint64, complex and quantised ones are refused by name); numpy arrays may be of either byte order.
/// Every tensor lies within its storage and has no more elements. Zip files are verified by their CRCs,
/// safetensors files of our own by their checksum.
///
/// The tensors alias the file, which is mapped: it must not be overwritten in place while they live
/// (replacing it is fine). Writing to a tensor never changes the file.
///
/// Throws WeightsError with the file, the tensor and the reason, in one line; also for a file that cannot be
/// opened, and for what is no weight file, with what it looks like instead.
RCNN_EXPORT WeightFile read_weight_file(const std::filesystem::path& file);

}  // namespace rcnn::io
