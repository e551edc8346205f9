#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>

#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/dist_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include <rcnn/error.h>
#include <rcnn/log.h>
#include <rcnn/printable.h>

namespace rcnn::log {
namespace {

/// spdlog's default pattern and registry stay out of it: programs that use spdlog themselves keep their
/// settings.
struct Log {
  std::map<std::filesystem::path, spdlog::sink_ptr> files;
  std::shared_ptr<spdlog::sinks::dist_sink_mt> sinks = std::make_shared<spdlog::sinks::dist_sink_mt>();
  spdlog::logger logger{"rcnn", sinks};

  Log() {
    const char* no_color = std::getenv("NO_COLOR");
    const auto color = no_color && *no_color ? spdlog::color_mode::never : spdlog::color_mode::automatic;
    auto terminal = std::make_shared<spdlog::sinks::stderr_color_sink_mt>(color);
    terminal->set_color(spdlog::level::info, "");
    terminal->set_pattern("%^%v%$");
    sinks->add_sink(std::move(terminal));
    logger.flush_on(spdlog::level::info);
    logger.set_error_handler(say_once);
  }

  /// A file that can no longer be written, on a full disk, ends nothing: stderr, which comes first, goes on.
  static void say_once(const std::string& why) {
    static std::atomic_flag said;
    if (!said.test_and_set())
      std::fprintf(stderr, "warning: the log is no longer complete: %s\n", why.c_str());
  }
};

Log& instance() {
  static Log log;
  return log;
}

}  // namespace

void info(std::string_view message) {
  instance().logger.log(spdlog::level::info, printable_lines(message));
}

void warn(std::string_view message) {
  instance().logger.log(spdlog::level::warn, "warning: " + printable_lines(message));
}

void also_to(const std::filesystem::path& file) {
  try {
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file.string());
    sink->set_pattern("%Y-%m-%d %H:%M:%S.%e %v");
    instance().files[file] = sink;
    instance().sinks->add_sink(std::move(sink));
  } catch (const spdlog::spdlog_ex& error) {
    throw DataError(error.what());
  }
}

void no_longer_to(const std::filesystem::path& file) {
  if (const auto sink = instance().files.extract(file)) instance().sinks->remove_sink(sink.mapped());
}

}  // namespace rcnn::log
