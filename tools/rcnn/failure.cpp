#include "failure.h"

#include <filesystem>
#include <iostream>
#include <new>

#include <spdlog/fmt/fmt.h>

#include <rcnn/error.h>
#include <rcnn/printable.h>

namespace rcnn::tools {
namespace {

constexpr int kDataError = 3, kMemoryError = 5;

}  // namespace

int fail(const std::string& message, int exit_code) {
  std::cerr << "error: " << printable_lines(message) << std::endl;
  return exit_code;
}

int fail(const std::exception& error) {
  if (const auto* known = dynamic_cast<const Error*>(&error)) return fail(known->what(), known->exit_code());
  if (const auto* file = dynamic_cast<const std::filesystem::filesystem_error*>(&error)) {
    // Such as a name that is too long.
    return fail(fmt::format("{}: {}", file->path1().string(), file->code().message()), kDataError);
  }
  if (dynamic_cast<const std::bad_alloc*>(&error)) return fail("memory ran out", kMemoryError);
  return fail(error.what(), 1);
}

}  // namespace rcnn::tools
