// Times reading and writing weight files; tests/oracle/bench_weight_files.py calls it.
//
//     bench_weight_files read FILE ROUNDS   reads, then copies every tensor once into memory that is there
//     already, as
//                                           loading into a model does
//     bench_weight_files write FILE OUT     reads once, then writes OUT: .safetensors, .pth or .pkl
//
// prints the milliseconds of both parts, one line a round.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include <ATen/ATen.h>

#include <rcnn/io/detectron2_file.h>
#include <rcnn/io/safetensors.h>
#include <rcnn/io/torch_file.h>
#include <rcnn/io/weight_file.h>

namespace {

using rcnn::io::read_weight_file;

class Clock {
 public:
  /// Milliseconds since the last call.
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    return std::chrono::duration<double, std::milli>(now - std::exchange(start_, now)).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

void time_reading(const char* file, int rounds) {
  std::map<std::string, at::Tensor> model;
  for (const auto& [name, tensor] : read_weight_file(file).tensors) model[name] = tensor.clone();
  for (int round = 0; round < rounds; ++round) {
    Clock clock;
    const auto weights = read_weight_file(file);
    const double read = clock.lap();
    for (const auto& [name, tensor] : weights.tensors) model.at(name).copy_(tensor);
    std::printf("%.3f %.3f\n", read, clock.lap());
  }
}

void time_writing(const char* file, const std::string& out) {
  Clock clock;
  const auto weights = read_weight_file(file);
  const double read = clock.lap();
  if (out.ends_with(".safetensors")) rcnn::io::write_safetensors(out, {weights.tensors, weights.metadata});
  if (out.ends_with(".pth")) rcnn::io::write_torch(out, weights.tensors);
  if (out.ends_with(".pkl")) rcnn::io::write_detectron2(out, weights.tensors);
  std::printf("%.3f %.3f\n", read, clock.lap());
}

}  // namespace

int main(int count, char** arguments) {
  const std::string_view command = count == 4 ? arguments[1] : "";
  try {
    if (command == "read") {
      time_reading(arguments[2], std::atoi(arguments[3]));
    } else if (command == "write") {
      time_writing(arguments[2], arguments[3]);
    } else {
      std::fprintf(stderr, "usage: bench_weight_files read FILE ROUNDS | write FILE OUT\n");
      return 2;
    }
  } catch (const rcnn::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.exit_code();
  }
}
