#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <rcnn/error.h>
#include <rcnn/export.h>

namespace rcnn::io {

/// What is read of a file that holds averages of its weights besides (EMA, SWA).
enum class Averages {
  leave_out,  ///< the weights
  take,       ///< the averages; the weights where the file has none besides
};

/// The tensors of a weight file of any kind that the field uses, by name.
struct WeightFile {
  enum class Format {
    safetensors,
    torch_zip,     ///< torch.save since 1.6
    torch_legacy,  ///< torch.save before, or with _use_new_zipfile_serialization=False
    numpy_pickle,  ///< a dict of numpy arrays: detectron2's and Detectron's .pkl
    caffemodel,    ///< Caffe's protocol buffers
  };

  Format format = Format::safetensors;
  /// CPU. Of any strides, and several may share memory, as they did when they were saved.
  std::map<std::string, at::Tensor> tensors;
  /// Text and numbers that lie beside the tensors, as text: "epoch", "__author__", safetensors' metadata.
  std::map<std::string, std::string> metadata;
  /// Where the dict is that the tensors were taken from ("model", "checkpoint.state_dict"); empty for the
  /// file itself.
  std::string root;
  /// What else lies beside the tensors: "optimizer", "args".
  std::vector<std::string> left_out;
  /// Averaged copies of the weights beside them: "model_ema".
  std::vector<std::string> averages;
  /// Whether the tensors are averages: because these were asked for, or the file has nothing else in the
  /// weights' place.
  bool averaged = false;
};

/// Reads a weight file; the format is found by content, whatever the file's name. Nested dicts and lists are
/// flattened: {"a": {"b": [t]}} has the tensor a.b.0.
///
/// Of a checkpoint the weights alone are read: the first of the dicts model, state_dict, model_state_dict,
/// model_state, module, net, network, detector, weights, model_weights, params, blobs and student, in this
/// order, with tensors of a dimension or more in it. Such a dict may lie in one of another name, or in one of
/// these, up to three deep, where no other beside it has weights. A dict whose key has the word ema, swa,
/// avg, average, averaged or polyak in it is an averaged copy: it is left out, or taken instead. Two files
/// are known that keep averages in the weights' place, and the weights that learn elsewhere: those of
/// mmengine's EMAHook and of Lightning's WeightAveraging.
///
/// A .caffemodel, of any of Caffe's three formats, has the tensors LAYER.blobs.0, LAYER.blobs.1, ...: of most
/// layers the weights and the bias. Their shapes are the file's: files of before 2015 give four sizes to
/// each, as in [1, 1, 4096, 25088] and [1, 1, 1, 4096] of a fully connected layer. The network's name is the
/// metadata "name". The format knows no checksum, and a file that ends between two layers is a whole one.
///
/// Pickles are read by a machine of our own that knows state dicts and arrays, and nothing else: no code of
/// the file ever runs. An object of any other class beside the weights is left out; among them it is an
/// error. Floating point, integers of 8 to 64 bits and bool are known as element types (uint16 to uint64,
/// complex and quantised ones are refused by name); numpy arrays may be of either byte order. Every tensor
/// lies within its storage and has no more elements. Zip files are verified by their CRCs, safetensors files
/// of our own by their checksum.
///
/// The tensors alias the file, which is mapped (but for a .caffemodel's): it must not be overwritten in place
/// while they live (replacing it is fine). Writing to a tensor never changes the file.
///
/// Throws WeightsError with the file, the tensor and the reason, in one line; also for a file that cannot be
/// opened, and for what is no weight file, with what it looks like instead.
RCNN_EXPORT WeightFile read_weight_file(const std::filesystem::path& file,
                                        Averages averages = Averages::leave_out);

}  // namespace rcnn::io
