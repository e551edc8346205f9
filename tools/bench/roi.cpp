#include <c10/util/StringUtil.h>

#include <rcnn/nn/roi/pooler.h>
#include <rcnn/ops/roi_align.h>
#include <rcnn/ops/roi_pool.h>

#include "cases.h"

namespace rcnn::bench {
namespace {

constexpr int64_t kGrid = 7;

struct Map {
  int64_t channels, height, width, stride;
};

/// Feature maps, and the RoIs to be pooled from them.
struct Scene {
  std::vector<Map> maps;
  Tensors rois;  ///< "rois" [K, 5], and "levels" [K] where there are several maps
  std::function<at::Tensor(const std::vector<at::Tensor>& maps, const Tensors& rois)> pool;
};

/// backward_boxes: to the maps and to the boxes.
enum class Pass { forward, backward, backward_boxes, both };

/// RoIs on the one image of the batch.
at::Tensor rois_of(const at::Tensor& boxes) {
  return at::cat({at::zeros({boxes.size(0), 1}), boxes}, 1);
}

/// Boxes inside an image, with sides from 16 pixels to its own and every magnitude alike, so that each level
/// of a pyramid gets its share.
at::Tensor boxes_of_all_sizes(int64_t count, double width, double height) {
  const at::Tensor image = at::tensor({width, height}, at::kFloat);
  const at::Tensor half = at::pow(image / 16, at::rand({count, 2})) * 8,
                   centre = at::rand({count, 2}) * image;
  return at::cat({at::clamp_min(centre - half, 0), at::minimum(centre + half, image)}, 1);
}

Scene align_on_one_map(int64_t count) {
  return {.maps = {{256, 200, 304, 4}},
          .rois = {{"rois", rois_of(random_boxes(count, 1216, 800))}},
          .pool = [](const auto& maps, const Tensors& rois) {
            return ops::roi_align(maps[0], rois.at("rois"), 1. / 4, {.height = kGrid, .width = kGrid});
          }};
}

Scene align_on_a_pyramid(int64_t count) {
  const at::Tensor boxes = boxes_of_all_sizes(count, 1216, 800);
  const nn::LevelPoolerImpl pooler({{"p2", 256, 4}, {"p3", 256, 8}, {"p4", 256, 16}, {"p5", 256, 32}}, {});
  return {.maps = {{256, 200, 304, 4}, {256, 100, 152, 8}, {256, 50, 76, 16}, {256, 25, 38, 32}},
          .rois = {{"rois", rois_of(boxes)}, {"levels", pooler.levels(boxes)}},
          .pool = [](const auto& maps, const Tensors& rois) {
            return ops::roi_align(maps, rois.at("rois"), rois.at("levels"),
                                  std::vector{1. / 4, 1. / 8, 1. / 16, 1. / 32},
                                  {.height = kGrid, .width = kGrid});
          }};
}

Scene pool_on_one_map(int64_t count) {
  return {.maps = {{512, 38, 63, 16}},
          .rois = {{"rois", rois_of(random_boxes(count, 1000, 600))}},
          .pool = [](const auto& maps, const Tensors& rois) {
            return ops::roi_pool(maps[0], rois.at("rois"), kGrid, kGrid, 1. / 16);
          }};
}

Tensors named(const char* name, const std::vector<at::Tensor>& levels) {
  Tensors tensors;
  for (size_t i = 0; i < levels.size(); ++i) tensors[c10::str(name, i)] = levels[i];
  return tensors;
}

Tensors operator+(Tensors all, const Tensors& more) {
  all.insert(more.begin(), more.end());
  return all;
}

Work work_of(const Scene& scene, at::Device device, at::ScalarType type, at::MemoryFormat format, Pass pass) {
  const auto random = [&](at::IntArrayRef sizes) {
    return at::rand(sizes).to(type).contiguous(format).to(device);
  };
  std::vector<at::Tensor> maps;
  for (const Map& map : scene.maps) {
    maps.push_back(random({1, map.channels, map.height, map.width}));
    maps.back().set_requires_grad(pass != Pass::forward);
  }
  Tensors rois = scene.rois;
  for (auto& [name, tensor] : rois) tensor = tensor.to(device);
  if (pass == Pass::backward_boxes) rois.at("rois").requires_grad_();
  const auto forward = [maps, rois, pool = scene.pool] { return pool(maps, rois); };

  const Tensors features = named("features", maps);
  if (pass == Pass::forward) {
    return {.inputs = features + rois, .earlier = {}, .call = [forward]() -> Tensors {
              return {{"output", forward()}};
            }};
  }
  const at::Tensor weight = random({rois.at("rois").size(0), scene.maps[0].channels, kGrid, kGrid});
  auto leaves = maps;
  if (pass == Pass::backward_boxes) leaves.push_back(rois.at("rois"));
  const auto backward = [leaves, weight](const at::Tensor& output) {
    return named("gradient", torch::autograd::grad({output}, leaves, {weight}, /*retain_graph=*/true));
  };
  const Tensors read = rois + Tensors{{"weight", weight}};
  if (pass == Pass::backward || pass == Pass::backward_boxes) {
    return {.inputs = read, .earlier = features, .call = [backward, output = forward()] {
              return backward(output);
            }};
  }
  return {.inputs = features + read, .earlier = {}, .call = [forward, backward] {
            const at::Tensor output = forward();
            return Tensors{{"output", output}} + backward(output);
          }};
}

/// Every dtype, memory format and pass of the operator; to the boxes where it has a gradient of them.
std::vector<Case> cases_of(const std::string& name, const std::function<Scene()>& draw,
                           bool with_boxes = false) {
  std::vector<Case> cases;
  for (const auto& [type_name, type] : {std::pair{"float32", at::kFloat}, {"bfloat16", at::kBFloat16}}) {
    for (const auto& [format_name, format] : {std::pair{"contiguous", at::MemoryFormat::Contiguous},
                                              {"channels_last", at::MemoryFormat::ChannelsLast}}) {
      for (const auto& [pass_name, pass] : {std::pair{"forward", Pass::forward},
                                            {"backward", Pass::backward},
                                            {"backward_boxes", Pass::backward_boxes},
                                            {"forward_backward", Pass::both}}) {
        if (pass == Pass::backward_boxes && !with_boxes) continue;
        cases.push_back({c10::str(name, "/", type_name, "/", format_name, "/", pass_name),
                         [draw, type = type, format = format, pass = pass](at::Device device) {
                           return work_of(draw(), device, type, format, pass);
                         }});
      }
    }
  }
  return cases;
}

}  // namespace

std::vector<Case> roi_cases() {
  std::vector<Case> cases;
  const auto add = [&](const std::string& name, const std::function<Scene()>& draw, bool with_boxes = false) {
    for (Case& one : cases_of(name, draw, with_boxes)) cases.push_back(std::move(one));
  };
  for (const int64_t count : {128, 512, 1000}) {
    add(
        c10::str("roi_align/", count, "/levels:1"), [count] { return align_on_one_map(count); }, true);
    add(
        c10::str("roi_align/", count, "/levels:4"), [count] { return align_on_a_pyramid(count); }, true);
  }
  for (const int64_t count : {128, 300, 2000})
    add(c10::str("roi_pool/", count), [count] { return pool_on_one_map(count); });
  return cases;
}

}  // namespace rcnn::bench
