#pragma once

#include <ATen/Context.h>

namespace rcnn::test {

/// Asks torch for deterministic algorithms as long as it lives.
class DeterministicAlgorithms {
 public:
  DeterministicAlgorithms() { at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false); }
  ~DeterministicAlgorithms() { at::globalContext().setDeterministicAlgorithms(false, /*warn_only=*/false); }
  DeterministicAlgorithms(const DeterministicAlgorithms&) = delete;
  DeterministicAlgorithms& operator=(const DeterministicAlgorithms&) = delete;
};

}  // namespace rcnn::test
