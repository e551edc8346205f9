#include <algorithm>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/boxes/box.h>
#include <rcnn/data/images/image.h>
#include <rcnn/data/options.h>
#include <rcnn/device.h>
#include <rcnn/error.h>
#include <rcnn/infer/tensor_detector.h>
#include <rcnn/infer/views.h>
#include <rcnn/nn/models/detection_model.h>
#include <rcnn/nn/models/inference.h>
#include <rcnn/nn/models/model_file.h>
#include <rcnn/nn/models/rpn_model.h>

namespace rcnn {
namespace {

ImageSize size_of(const at::Tensor& image) {
  TORCH_CHECK(image.dim() == 3, "an image must be uint8 [H, W, 3], got ", image.sizes());
  return {image.size(0), image.size(1)};
}

/// The model, which preparing it for inference would end for others.
const nn::DescribedModel& owned_alone(const nn::DescribedModel& model) {
  TORCH_CHECK(
      model.model.use_count() == 1,
      "TensorDetector: a model that is taken over must not be in use elsewhere, as that of a Trainer is; "
      "make the detector for a device to share it");
  return model;
}

void check_proposals(const at::Tensor& boxes) {
  TORCH_CHECK(boxes.dim() == 2 && boxes.size(1) == 4 && boxes.scalar_type() == at::kFloat,
              "detect: proposals: expected float32 [P, 4], got ", boxes.scalar_type(), " ", boxes.sizes());
  TORCH_CHECK(at::isfinite(boxes).all().item<bool>(), "detect: proposals: expected finite coordinates");
}

/// All detections of some views of one image.
Detections joined(const std::vector<Detections>& parts) {
  std::vector<at::Tensor> boxes, scores, labels;
  for (const auto& part : parts) {
    boxes.push_back(part.boxes);
    scores.push_back(part.scores);
    labels.push_back(part.labels);
  }
  return {at::cat(boxes), at::cat(scores), at::cat(labels)};
}

/// Throws ConfigError for options of RoI heads: the model has none.
void refuse_roi_options(const DetectorOptions& options, const std::filesystem::path& weights) {
  const auto refuse = [&](bool given, const char* why) {
    if (given) throw ConfigError(fmt::format("{}: finds proposals, {}", weights.string(), why));
  };
  refuse(options.nms.has_value(), "which have one kind of NMS: leave --nms");
  refuse(options.iterations.has_value(), "and has no head that could refine them: leave --iterations");
  refuse(options.box_voting.has_value(), "which no votes move: leave --box-voting");
}

}  // namespace

std::vector<std::string> overrides_of(const DetectorOptions& options, const config::Config& description,
                                      const std::filesystem::path& weights) {
  std::vector<std::string> overrides;
  const auto add = [&](const char* key, const auto& value) {
    if (value) overrides.push_back(fmt::format("model.{}={}", key, *value));
  };
  if (description.root().child("model").require("type") == nn::kRpnModel) {
    refuse_roi_options(options, weights);
    add("rpn.nms_threshold", options.nms_threshold);
    add("score_threshold", options.score_threshold);
    add("rpn.test.post_nms", options.max_detections);
    return overrides;
  }
  add("roi.score_threshold", options.score_threshold);
  add("roi.nms_threshold", options.nms_threshold);
  add("roi.max_detections", options.max_detections);
  add("roi.nms", options.nms);
  add("roi.iterations", options.iterations);
  if (options.box_voting == 0)
    overrides.emplace_back("model.roi.box_voting=null");
  else
    add("roi.box_voting.iou", options.box_voting);
  return overrides;
}

TensorDetector TensorDetector::load(const std::filesystem::path& weights, const DetectorOptions& options) {
  return {nn::load_model(
              weights, [&](const config::Config& config) { return overrides_of(options, config, weights); }),
          options};
}

TensorDetector::TensorDetector(const nn::DescribedModel& model, const at::Device& device,
                               const ViewOptions& views, int64_t view_batch)
    : model_(nn::as_detection_model(model.model, model.config.root().child("model"))),
      categories_(model.categories),
      device_(device),
      views_(views),
      view_batch_(view_batch) {
  TORCH_CHECK(view_batch > 0, "TensorDetector: view_batch: expected 1 or more, got ", view_batch);
  const auto options = data::DataOptions::from(model.config.root().child("data"));
  transform_ = options.test_transform();
  bound_megapixels(views.tile > 0 ? data::kMaxMegapixelsOfTiles : options.max_megapixels,
                   options.max_megapixels);
  transform_.resize = model_->pixels().resize;
  model_->to(device_);
  model_->eval();
}

TensorDetector::TensorDetector(nn::DescribedModel&& model, const DetectorOptions& options)
    : TensorDetector(owned_alone(model), parse_device(options.device), options.views, options.view_batch) {
  if (const auto bound = options.max_megapixels) bound_megapixels(*bound, *bound);
  precision_ = options.precision;
  nn::prepare_for_inference(*model_, precision_);
}

ImageSize TensorDetector::network_size(ImageSize image) const {
  return data::resized(image, transform_.min_size, transform_.max_size, transform_.resize);
}

void TensorDetector::bound_megapixels(int64_t of_images, int64_t of_views) {
  TORCH_CHECK(of_images > 0 && of_images <= data::kMostMegapixels,
              "TensorDetector: max_megapixels: expected 1 to ", data::kMostMegapixels, ", got ", of_images);
  max_megapixels_ = of_images;
  max_view_megapixels_ = std::max(of_views, data::kMaxMegapixels);
}

void TensorDetector::check_views(ImageSize image) const {
  const auto views = views_of(image, views_, transform_.min_size, transform_.max_size, transform_.resize);
  rcnn::check_views(image, views, max_view_megapixels_);
}

Detections TensorDetector::detect(const at::Tensor& image) const {
  return detect(std::span(&image, 1)).front();
}

std::vector<Detections> TensorDetector::detect(std::span<const at::Tensor> images) const {
  if (needs_proposals()) {
    throw ConfigError(
        "the model finds objects among proposals that it is given, and there are none: give a file of them");
  }
  return find(images, {});
}

std::vector<Detections> TensorDetector::detect(std::span<const at::Tensor> images,
                                               std::span<const at::Tensor> proposals) const {
  if (!needs_proposals()) throw ConfigError("the model makes its own proposals and takes none");
  TORCH_CHECK(proposals.size() == images.size(), "detect: proposals: expected a tensor for each of ",
              images.size(), " images, got ", proposals.size());
  for (const auto& boxes : proposals) check_proposals(boxes);
  return find(images, proposals);
}

std::vector<Detections> TensorDetector::find(std::span<const at::Tensor> images,
                                             std::span<const at::Tensor> proposals) const {
  for (const auto& image : images) check_views(size_of(image));
  return views_ == ViewOptions{} ? run(&nn::DetectionModelImpl::detect, images, proposals)
                                 : detect_views(images, proposals);
}

bool TensorDetector::needs_proposals() const {
  return model_->needs_proposals();
}

bool TensorDetector::finds_proposals() const {
  return model_->finds_proposals();
}

Detections TensorDetector::proposals(const at::Tensor& image) const {
  check_views(size_of(image));
  return run(&nn::DetectionModelImpl::proposals, std::span(&image, 1), {}).front();
}

std::vector<Detections> TensorDetector::run(Find find, std::span<const at::Tensor> images,
                                            std::span<const at::Tensor> proposals) const {
  if (images.empty()) return {};
  const torch::NoGradGuard no_grad;
  const nn::Autocast autocast(device_.type(), precision_);
  ImageBatch batch{.images = {images.begin(), images.end()}, .sizes = {}};
  for (const auto& image : images) batch.sizes.push_back(network_size(size_of(image)));
  for (size_t i = 0; i < proposals.size(); ++i) {
    const auto size = size_of(images[i]);
    batch.proposals.push_back(
        boxes::rescale(boxes::clip(proposals[i].to(device_), size), size, batch.sizes[i]));
  }
  auto detections = (*model_.*find)(batch);
  for (size_t i = 0; i < detections.size(); ++i) {
    const auto size = size_of(images[i]);
    detections[i] = in_image(detections[i], {.part = size, .network = batch.sizes[i]}, size);
  }
  return detections;
}

std::vector<Detections> TensorDetector::detect_views(std::span<const at::Tensor> images,
                                                     std::span<const at::Tensor> proposals) const {
  const torch::NoGradGuard no_grad;
  const nn::Autocast autocast(device_.type(), precision_);
  struct Look {
    size_t image, place;  // of the view among the image's
    View view;
    at::Tensor proposals;  // undefined where the model makes its own
  };
  std::vector<Look> looks;
  std::vector<std::vector<Detections>> found(images.size());
  for (size_t i = 0; i < images.size(); ++i) {
    const auto views =
        views_of(size_of(images[i]), views_, transform_.min_size, transform_.max_size, transform_.resize);
    for (size_t place = 0; place < views.size(); ++place) {
      looks.push_back({.image = i, .place = place, .view = views[place], .proposals = {}});
    }
    if (!proposals.empty()) {
      const auto of_views = proposals_of(proposals[i].to(device_), views, size_of(images[i]));
      for (size_t place = 0; place < views.size(); ++place) {
        looks[looks.size() - views.size() + place].proposals = of_views[place];
      }
    }
    found[i].resize(views.size());
  }
  // One size in a batch, for padding costs time and shows at the border.
  const auto size = [](const Look& look) {
    return std::pair(look.view.network.height, look.view.network.width);
  };
  std::ranges::stable_sort(looks, {}, size);
  for (size_t begin = 0, end = 0; begin < looks.size(); begin = end) {
    ImageBatch batch;
    while (end < looks.size() && std::ssize(batch.images) < view_batch_ &&
           size(looks[end]) == size(looks[begin])) {
      const auto& look = looks[end++];
      batch.images.push_back(pixels_of(images[look.image], look.view));
      batch.sizes.push_back(look.view.network);
      if (look.proposals.defined()) batch.proposals.push_back(look.proposals);
    }
    const auto detections = model_->candidates(batch);
    for (size_t i = begin; i < end; ++i) {
      const auto& look = looks[i];
      found[look.image][look.place] = in_image(detections[i - begin], look.view, size_of(images[look.image]));
    }
  }
  std::vector<Detections> merged;
  for (const auto& of_image : found) {
    merged.push_back(nn::suppress(joined(of_image), model_->suppression()));
  }
  return merged;
}

std::vector<Detection> to_list(const Detections& detections) {
  const auto boxes = detections.boxes.to(at::kCPU, at::kFloat).contiguous();
  const auto scores = detections.scores.to(at::kCPU, at::kFloat).contiguous();
  const auto labels = detections.labels.cpu().contiguous();
  const auto box = boxes.accessor<float, 2>();
  const auto* const score = scores.const_data_ptr<float>();
  const auto* const label = labels.const_data_ptr<int64_t>();
  std::vector<Detection> list;
  list.reserve(static_cast<size_t>(boxes.size(0)));
  for (int64_t i = 0; i < boxes.size(0); ++i) {
    list.push_back(
        {.box = {box[i][0], box[i][1], box[i][2], box[i][3]}, .score = score[i], .label = label[i]});
  }
  return list;
}

}  // namespace rcnn
