#include <algorithm>

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/nn/layers/svd_linear.h>

namespace rcnn::nn {

SvdLinear::SvdLinear(torch::nn::Module& owner, const std::string& name, int64_t in, int64_t out, int64_t rank)
    : last_(nullptr) {
  TORCH_CHECK(rank >= 0 && rank <= std::min(in, out), "SvdLinear: rank: expected 0 to ", std::min(in, out),
              " for ", out, " x ", in, ", got ", rank);
  if (rank == 0) {
    last_ = owner.register_module(name, torch::nn::Linear(in, out));
    return;
  }
  first_ =
      owner.register_module(name + "_L", torch::nn::Linear(torch::nn::LinearOptions(in, rank).bias(false)));
  last_ = owner.register_module(name + "_U", torch::nn::Linear(rank, out));
}

at::Tensor SvdLinear::operator()(const at::Tensor& x) {
  return last_->forward(first_.is_empty() ? x : first_->forward(x));
}

int64_t svd_rank(const config::Node& head, const std::string& name, int64_t in, int64_t out) {
  int64_t rank = 0;
  const auto ranks = head.child("svd");
  ranks.read(name, rank, {.min = 1});
  if (rank > std::min(in, out)) {
    throw ranks.error(name, fmt::format("must be at most {}, the smaller side of the layer's weight {} x {}",
                                        std::min(in, out), out, in));
  }
  return rank;
}

}  // namespace rcnn::nn
