#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <torch/torch.h>

#include <rcnn/eval/coco/coco_map.h>
#include <rcnn/io/safetensors.h>

namespace rcnn::eval {

/// The sets of make_coco_map.py, which says what is in the file.
class CocoSets {
 public:
  explicit CocoSets(const std::filesystem::path& file) : tensors_(io::read_safetensors(file).tensors) {}

  bool has(int64_t number, const char* what = "truths") const {
    return tensors_.contains(name(number, what));
  }
  at::Tensor get(int64_t number, const char* what) const { return tensors_.at(name(number, what)); }

  std::vector<int64_t> categories(int64_t number) const {
    const auto ids = get(number, "categories");
    return {ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + ids.numel()};
  }

  std::vector<CocoTruth> truths(int64_t number) const {
    std::vector<CocoTruth> truths;
    for_each_row(get(number, "truths"), [&](const double* v) {
      truths.push_back({static_cast<int64_t>(v[0]),
                        static_cast<int64_t>(v[1]),
                        {v[2], v[3], v[4], v[5]},
                        v[6],
                        v[7] != 0,
                        static_cast<int64_t>(v[8])});
    });
    return truths;
  }

  std::vector<CocoDetection> detections(int64_t number) const {
    std::vector<CocoDetection> detections;
    for_each_row(get(number, "detections"), [&](const double* v) {
      detections.push_back(
          {static_cast<int64_t>(v[0]), static_cast<int64_t>(v[1]), {v[2], v[3], v[4], v[5]}, v[6]});
    });
    return detections;
  }

 private:
  static std::string name(int64_t number, const char* what) { return std::to_string(number) + "." + what; }

  template <class See>
  static void for_each_row(const at::Tensor& table, See see) {
    for (int64_t i = 0; i < table.size(0); ++i) see(table.data_ptr<double>() + i * table.size(1));
  }

  std::map<std::string, at::Tensor> tensors_;
};

}  // namespace rcnn::eval
