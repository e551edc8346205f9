#pragma once

#include <exception>
#include <stdexcept>
#include <string>

#include <rcnn/export.h>

namespace rcnn {

/// An error that the user can act on. what() is complete sentences without a backtrace: what is wrong, where,
/// and what to do. exit_code() is what the program returns when the error reaches main.
class RCNN_EXPORT Error : public std::runtime_error {
 public:
  Error(const std::string& message, int exit_code) : std::runtime_error(message), exit_code_(exit_code) {}
  int exit_code() const noexcept { return exit_code_; }

 private:
  int exit_code_;
};

/// The command line or a config: "file: dotted.key: what; did you mean X?".
class RCNN_EXPORT ConfigError : public Error {
 public:
  explicit ConfigError(const std::string& message) : Error(message, 2) {}
};

/// A data file, an annotation or an image: the file, the id or line, and what to do.
class RCNN_EXPORT DataError : public Error {
 public:
  explicit DataError(const std::string& message) : Error(message, 3) {}
};

/// A weight file: every missing, unexpected and mis-shaped name at once.
class RCNN_EXPORT WeightsError : public Error {
 public:
  explicit WeightsError(const std::string& message) : Error(message, 4) {}
};

/// Memory ran out: the batch, the image sizes, and the settings to lower.
class RCNN_EXPORT MemoryError : public Error {
 public:
  explicit MemoryError(const std::string& message) : Error(message, 5) {}
};

/// A loss became infinite or not a number: the images, the components, the learning rate.
class RCNN_EXPORT NonFiniteError : public Error {
 public:
  explicit NonFiniteError(const std::string& message) : Error(message, 6) {}
};

/// Whether `error` says that memory ran out, on the CPU or on a GPU: LibTorch has no one class for both.
RCNN_EXPORT bool is_out_of_memory(const std::exception& error);

}  // namespace rcnn
