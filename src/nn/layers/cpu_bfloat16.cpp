#include "nn/layers/cpu_bfloat16.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/cpu/Utils.h>

namespace rcnn::nn {

bool onednn_has_bfloat16() {
  // An operator without a function in LibTorch's headers; a LibTorch without oneDNN does not have it.
  static const bool has = [] {
    const auto supported = c10::Dispatcher::singleton().findSchema({"mkldnn::_is_mkldnn_bf16_supported", ""});
    return supported && supported->typed<bool()>().call();
  }();
  return has;
}

bool is_bfloat16_slow() {
  if (!onednn_has_bfloat16()) return true;
  const auto capabilities = at::cpu::get_cpu_capabilities();
  const auto has = [&](const char* name) {
    const auto found = capabilities.find(name);
    return found != capabilities.end() && found->second.toBool();
  };
  // oneDNN asks the other processors for their instructions itself.
  const bool x86 = has("sse2");
  return x86 && !has("avx512_bf16") && !has("amx_bf16") && !has("avx_ne_convert");
}

}  // namespace rcnn::nn
