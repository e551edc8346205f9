// The program `rcnn`: a launcher that starts in milliseconds, for LibTorch alone takes half a second to load.
// It knows the help pages by heart; everything else is done by the commands, a module that it loads from its
// own installation.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <dlfcn.h>

#include "help_pages.h"
#include "standard_streams.h"

namespace {

namespace fs = std::filesystem;

/// The page that `words` ask for, such as data check --help; null when they are anything else.
const rcnn::tools::HelpPage* asked_for(std::span<const std::string_view> words) {
  if (words.empty() || (words.back() != "--help" && words.back() != "-h")) return nullptr;
  const auto command = words.first(words.size() - 1);
  const auto pages = rcnn::tools::help_pages();
  const auto page = std::ranges::find_if(
      pages, [&](const auto& page) { return std::ranges::equal(page.command, command); });
  return page == pages.end() ? nullptr : &*page;
}

int fail(const std::string& message, int exit_code = 1) {
  std::cerr << "error: " << message << std::endl;
  return exit_code;
}

/// The exit code where the commands cannot be loaded: 1, which of weights diff says that the files differ.
int code_without_commands(std::span<const std::string_view> words) {
  constexpr std::string_view kDiff[] = {"weights", "diff"};
  return std::ranges::search(words, kDiff).empty() ? 1 : 4;
}

int run(int argc, char** argv) {
  const std::vector<std::string_view> words(argv + std::min(argc, 1), argv + argc);
  if (const auto* page = asked_for(words)) {
    std::cout << page->text;
    return 0;
  }
  // Beside this file, however it was named: by PATH, by a link, from another folder.
  std::error_code error;
  const auto module = fs::read_symlink("/proc/self/exe", error).parent_path() / RCNN_COMMANDS;
  if (error) return fail("where rcnn lies is unknown, /proc/self/exe: " + error.message());
  setenv("THP_MEM_ALLOC_ENABLE", "1", /*overwrite=*/0);   // LibTorch asks once: large tensors in large pages
  setenv("OPENCV_LOG_LEVEL", "SILENT", /*overwrite=*/0);  // of a damaged image the library says what is wrong
  void* commands = dlopen(module.c_str(), RTLD_LAZY | RTLD_GLOBAL);
  auto* run = commands ? reinterpret_cast<int (*)(int, char**)>(dlsym(commands, "rcnn_run")) : nullptr;
  if (!run)
    return fail(std::string("rcnn is not installed whole, ") + dlerror(), code_without_commands(words));
  return run(argc, argv);
}

}  // namespace

int main(int argc, char** argv) {
  rcnn::tools::prepare_standard_streams();
  return rcnn::tools::with_checked_stdout([&] { return run(argc, argv); });
}
