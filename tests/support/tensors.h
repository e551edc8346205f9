#pragma once

#include <functional>
#include <string>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace rcnn::test {

/// Same shape and dtype, and |actual - expected| <= absolute + relative * |expected| everywhere. Devices may
/// differ.
inline testing::AssertionResult close(const at::Tensor& actual, const at::Tensor& expected,
                                      double absolute = 1e-6, double relative = 1e-5) {
  if (actual.sizes() != expected.sizes() || actual.scalar_type() != expected.scalar_type()) {
    return testing::AssertionFailure() << "got " << actual.scalar_type() << actual.sizes() << ", expected "
                                       << expected.scalar_type() << expected.sizes();
  }
  const at::Tensor a = actual.detach().cpu().to(at::kDouble), e = expected.detach().cpu().to(at::kDouble);
  if (at::allclose(a, e, relative, absolute, /*equal_nan=*/true)) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "largest difference " << (a - e).abs().max().item<double>()
                                     << "\ngot\n"
                                     << a << "\nexpected\n"
                                     << e;
}

/// Same shape, dtype and bits.
inline testing::AssertionResult identical(const at::Tensor& actual, const at::Tensor& expected) {
  return close(actual, expected, 0, 0);
}

/// Central differences of sum(f(x) * weight) along every element of the float64 tensor x.
inline at::Tensor numeric_gradient(const std::function<at::Tensor(const at::Tensor&)>& f, const at::Tensor& x,
                                   const at::Tensor& weight, double step = 1e-6) {
  at::NoGradGuard no_grad;
  const at::Tensor point = x.detach().clone().contiguous();
  const at::Tensor gradient = at::zeros_like(point);
  const auto loss = [&] { return (f(point) * weight).sum().item<double>(); };
  for (int64_t i = 0; i < point.numel(); ++i) {
    const at::Tensor element = point.view(-1)[i];
    const double value = element.item<double>();
    element.fill_(value + step);
    const double above = loss();
    element.fill_(value - step);
    const double below = loss();
    element.fill_(value);
    gradient.view(-1)[i].fill_((above - below) / (2 * step));
  }
  return gradient;
}

/// The message of the c10::Error that f throws; "" when it throws none.
inline std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  return "";
}

}  // namespace rcnn::test
