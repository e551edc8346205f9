#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace rcnn::io::caffe {

/// A layer's array of weights.
struct Blob {
  std::string layer;           ///< UTF-8, not empty
  int64_t number = 0;          ///< among the layer's: mostly 0 the weights, 1 the bias
  std::vector<int64_t> shape;  ///< sizes from 0 on, whose product is the number of values
  bool is_double = false;
  std::shared_ptr<void> values;  ///< float or double
};

/// What a .caffemodel holds of a network: the weights of its layers, in their order.
struct Net {
  std::string name;
  std::vector<Blob> blobs;
};

/// Whether a file begins as a .caffemodel: with the network's name, and then with a layer or the name of an
/// input. The format has no magic number.
bool is_net(std::string_view file);

/// Reads the layers of all three formats that Caffe has had. Memory is in proportion to the file. A file cut
/// between two layers is a whole file to protobuf and to this. Throws Refusal.
Net read_net(std::string_view file);

}  // namespace rcnn::io::caffe
