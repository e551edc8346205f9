// What a .caffemodel computes, by OpenCV's own reader and layers of Caffe's networks: the backbones' maps,
// the RPN's scores and deltas, and the RoI head's answers.

#include <array>

#include <gtest/gtest.h>
#include <opencv2/dnn.hpp>
#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/config/config.h>
#include <rcnn/nn/backbones/backbone.h>
#include <rcnn/nn/registry.h>
#include <rcnn/nn/roi/box_head.h>
#include <rcnn/nn/roi/pooler.h>
#include <rcnn/nn/rpn/head.h>
#include <rcnn/nn/weights/weight_names.h>

#include "tests/support/caffe_file.h"
#include "tests/support/temp_folder.h"

namespace rcnn::nn {
namespace {

constexpr int64_t kCaffeAnchors = 9, kCaffeClasses = 3;  // background included

/// A network in Caffe's two files, layer by layer.
class CaffeWriter {
 public:
  CaffeWriter& input(const std::string& name, at::IntArrayRef shape) {
    text_ += fmt::format("input: \"{}\" input_shape {{", name);
    for (const auto size : shape) text_ += fmt::format(" dim: {}", size);
    text_ += " }\n";
    top_ = name;
    return *this;
  }

  /// A layer over the one before it.
  CaffeWriter& layer(const std::string& name, const std::string& type, const std::string& parameters = "",
                     const std::vector<at::Tensor>& blobs = {}) {
    return layer_over({top_}, name, type, parameters, blobs);
  }

  CaffeWriter& layer_over(const std::vector<std::string>& bottoms, const std::string& name,
                          const std::string& type, const std::string& parameters = "",
                          const std::vector<at::Tensor>& blobs = {}) {
    text_ += fmt::format("layer {{ name: \"{0}\" type: \"{1}\" top: \"{0}\"", name, type);
    for (const auto& bottom : bottoms) text_ += fmt::format(" bottom: \"{}\"", bottom);
    text_ += fmt::format(" {} }}\n", parameters);
    weights_ += test::caffe_layer(name, blobs, test::CaffeFormat::now, type);
    top_ = name;
    return *this;
  }

  CaffeWriter& conv(const std::string& name, int64_t in, int64_t out, int64_t kernel, int64_t stride,
                    int64_t padding) {
    const auto scale = std::sqrt(2.0 / static_cast<double>(in * kernel * kernel));
    return layer(name, "Convolution",
                 fmt::format("convolution_param {{ num_output: {} kernel_size: {} stride: {} pad: {} }}", out,
                             kernel, stride, padding),
                 {at::randn({out, in, kernel, kernel}) * scale, at::randn({out})});
  }
  CaffeWriter& relu(const std::string& name) { return layer(name, "ReLU"); }
  CaffeWriter& linear(const std::string& name, int64_t in, int64_t out) {
    return layer(name, "InnerProduct", fmt::format("inner_product_param {{ num_output: {} }}", out),
                 {at::randn({out, in}) * std::sqrt(2.0 / static_cast<double>(in)), at::randn({out})});
  }

  const std::string& top() const { return top_; }
  void set_top(const std::string& name) { top_ = name; }
  const std::string& text() const { return text_; }
  std::string weights() const { return test::field(1, "net") + weights_; }

 private:
  std::string text_, weights_, top_;
};

/// Writes a backbone up to its last ReLU; returns its channels.
using WriteBody = int64_t (*)(CaffeWriter&);

// models/pascal_voc/ZF/faster_rcnn_end2end/test.prototxt of py-faster-rcnn, of width 16
int64_t write_zf(CaffeWriter& net) {
  const auto norm_and_pool = [&](const std::string& number) {
    net.layer("norm" + number, "LRN",
              "lrn_param { local_size: 3 alpha: 0.00005 beta: 0.75 norm_region: WITHIN_CHANNEL }");
    net.layer("pool" + number, "Pooling", "pooling_param { kernel_size: 3 stride: 2 pad: 1 pool: MAX }");
  };
  net.conv("conv1", 3, 16, 7, 2, 3).relu("relu1");
  norm_and_pool("1");
  net.conv("conv2", 16, 42, 5, 2, 2).relu("relu2");
  norm_and_pool("2");
  net.conv("conv3", 42, 64, 3, 1, 1).relu("relu3").conv("conv4", 64, 64, 3, 1, 1).relu("relu4");
  net.conv("conv5", 64, 42, 3, 1, 1).relu("relu5");
  return 42;
}

// models/pascal_voc/VGG_CNN_M_1024/faster_rcnn_end2end/test.prototxt, of width 16
int64_t write_vgg_m(CaffeWriter& net) {
  const auto norm_and_pool = [&](const std::string& number) {
    // OpenCV reads no k, which is 2 here: (2 + s)^-0.75 is 2^-0.75 (1 + s / 2)^-0.75.
    net.layer("norm" + number, "LRN", "lrn_param { local_size: 5 alpha: 0.00025 beta: 0.75 }");
    net.layer("scale" + number, "Power", fmt::format("power_param {{ scale: {} }}", std::pow(2, -0.75)));
    net.layer("pool" + number, "Pooling", "pooling_param { kernel_size: 3 stride: 2 pool: MAX }");
  };
  net.conv("conv1", 3, 16, 7, 2, 0).relu("relu1");
  norm_and_pool("1");
  net.conv("conv2", 16, 42, 5, 2, 1).relu("relu2");
  norm_and_pool("2");
  net.conv("conv3", 42, 85, 3, 1, 1).relu("relu3").conv("conv4", 85, 85, 3, 1, 1).relu("relu4");
  net.conv("conv5", 85, 85, 3, 1, 1).relu("relu5");
  return 85;
}

// models/pascal_voc/VGG16/faster_rcnn_end2end/test.prototxt, of width 4
int64_t write_vgg16(CaffeWriter& net) {
  constexpr std::array kConvs = {2, 2, 3, 3, 3}, kWidths = {4, 8, 16, 32, 32};
  int64_t channels = 3;
  for (size_t stage = 0; stage < kConvs.size(); ++stage) {
    if (stage > 0)
      net.layer(fmt::format("pool{}", stage), "Pooling",
                "pooling_param { pool: MAX kernel_size: 2 stride: 2 }");
    for (int i = 1; i <= kConvs[stage]; ++i) {
      net.conv(fmt::format("conv{}_{}", stage + 1, i), channels, kWidths[stage], 3, 1, 1);
      net.relu(fmt::format("relu{}_{}", stage + 1, i));
      channels = kWidths[stage];
    }
  }
  return channels;
}

struct CaffeCase {
  const char* name;
  WriteBody write_body;
  const char* backbone;
  std::vector<int64_t> image;  ///< its height and width
};

class CaffeParity : public testing::TestWithParam<CaffeCase> {};

at::Tensor tensor_of_mat(const cv::Mat& mat) {
  const std::vector<int64_t> sizes(mat.size.p, mat.size.p + mat.dims);
  return at::from_blob(mat.data, sizes, at::kFloat).clone();
}

cv::Mat mat_of(const at::Tensor& tensor) {
  const std::vector<int> sizes(tensor.sizes().begin(), tensor.sizes().end());
  return cv::Mat(static_cast<int>(sizes.size()), sizes.data(), CV_32F, tensor.data_ptr()).clone();
}

void expect_close(const at::Tensor& ours, const at::Tensor& theirs, const char* what) {
  ASSERT_EQ(ours.sizes(), theirs.sizes()) << what;
  const auto largest = theirs.abs().max().item<float>();
  EXPECT_GT(largest, 0) << what;
  EXPECT_LE((ours - theirs).abs().max().item<float>(), 1e-4 * largest) << what;  // sums in other orders
}

TEST_P(CaffeParity, OpenCvComputesTheSame) {
  constexpr uint64_t kSeed = 7;
  torch::manual_seed(kSeed);
  const auto& [name, write_body, backbone, size] = GetParam();
  const auto image = at::randn({1, 3, size[0], size[1]}) * 60;
  const auto rois = torch::tensor(
      {{0.f, 3.f, 7.f, 90.f, 60.f}, {0.f, 24.f, 40.f, 31.f, 199.f}, {0.f, 0.f, 0.f, 150.f, 150.f}});

  CaffeWriter net;
  net.input("rois", rois.sizes()).input("data", image.sizes());
  const auto channels = write_body(net);
  const auto map = net.top();
  net.conv("rpn_conv/3x3", channels, 12, 3, 1, 1).relu("rpn_relu/3x3");
  const auto hidden = net.top();
  net.conv("rpn_cls_score", 12, 2 * kCaffeAnchors, 1, 1, 0);
  net.layer("rpn_cls_score_reshape", "Reshape", "reshape_param { shape { dim: 0 dim: 2 dim: -1 dim: 0 } }");
  net.layer("rpn_cls_prob", "Softmax");
  net.set_top(hidden);
  net.conv("rpn_bbox_pred", 12, 4 * kCaffeAnchors, 1, 1, 0);
  net.layer_over({map, "rois"}, "roi_pool5", "ROIPooling",
                 "roi_pooling_param { pooled_w: 6 pooled_h: 6 spatial_scale: 0.0625 }");
  net.linear("fc6", channels * 36, 20).relu("relu6").linear("fc7", 20, 10).relu("relu7");
  const auto vector = net.top();
  net.linear("cls_score", 10, kCaffeClasses).layer("cls_prob", "Softmax");
  net.set_top(vector);
  net.linear("bbox_pred", 10, 4 * kCaffeClasses);

  const TempFolder folder;
  const auto weights = folder.write("net.caffemodel", net.weights());
  auto theirs = cv::dnn::readNetFromCaffe(folder.write("net.prototxt", net.text()), weights);
  theirs.setInput(mat_of(image), "data");
  theirs.setInput(mat_of(rois), "rois");
  std::vector<cv::Mat> outputs;
  theirs.forward(outputs,
                 std::vector<cv::String>{map, "rpn_cls_prob", "rpn_bbox_pred", "cls_prob", "bbox_pred"});

  // The same parts where a detector has them.
  const auto config = [](const std::string& json) { return config::Config::parse(json, "test").root(); };
  const auto body = backbones().make(config(backbone));
  RpnHead rpn(channels, kCaffeAnchors, 1, 12);
  const auto pooler = poolers().make(config(R"({"type": "pool", "size": 6})"), body->features());
  const auto head = box_heads().make(config(R"({"hidden": [20, 10]})"), pooler->grids());
  BoxPredictor predictor(head->channels(), kCaffeClasses - 1, /*class_agnostic=*/false);
  torch::nn::Module detector;
  const auto part = [&](const char* of) {
    return detector.register_module(of, std::make_shared<torch::nn::Module>());
  };
  part("backbone")->register_module("body", body);
  part("rpn")->register_module("head", rpn);
  const auto roi_heads = part("roi_heads");
  roi_heads->register_module("box_head", head);
  roi_heads->register_module("box_predictor", predictor);
  detector.eval();
  load_state(detector, read_weights(weights).tensors, weights);

  const torch::NoGradGuard no_grad;
  const auto maps = body->forward(image);
  expect_close(maps[0], tensor_of_mat(outputs[0]), "map");
  const auto said = rpn->forward(maps);
  const auto height = maps[0].size(2), width = maps[0].size(3);
  const auto objects = tensor_of_mat(outputs[1]).view({1, 2, kCaffeAnchors, height, width}).select(1, 1);
  expect_close(said.objectness[0].sigmoid(), objects.permute({0, 2, 3, 1}).reshape({1, -1}), "RPN scores");
  expect_close(said.deltas[0], tensor_of_mat(outputs[2]).permute({0, 2, 3, 1}).reshape({1, -1, 4}),
               "RPN deltas");
  const auto answer = predictor->forward(head->forward(pooler->forward(maps, {rois.narrow(1, 1, 4)})));
  expect_close(answer.scores.softmax(1), tensor_of_mat(outputs[3]), "class scores");
  const auto box_weights = torch::tensor({10.f, 10.f, 5.f, 5.f});
  expect_close((answer.deltas / box_weights).flatten(1), tensor_of_mat(outputs[4]), "boxes");
}

INSTANTIATE_TEST_SUITE_P(
    , CaffeParity,
    testing::Values(CaffeCase{"zf", write_zf, R"({"type": "zf", "width": 16})", {224, 260}},
                    CaffeCase{"zf_odd", write_zf, R"({"type": "zf", "width": 16})", {375, 211}},
                    CaffeCase{"vgg_m", write_vgg_m, R"({"type": "vgg_cnn_m_1024", "width": 16})", {224, 260}},
                    CaffeCase{
                        "vgg_m_odd", write_vgg_m, R"({"type": "vgg_cnn_m_1024", "width": 16})", {375, 211}},
                    CaffeCase{"vgg16", write_vgg16, R"({"type": "vgg16", "width": 4})", {224, 160}}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace rcnn::nn
