// The program `rcnn`: a launcher that starts in milliseconds, for LibTorch alone takes half a second to load.
// It knows the help pages by heart; everything else is done by the commands, a module that it loads from its
// own installation. Files are scored by a small module of their own, which does without LibTorch.

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

void fail(const std::string& message) {
  std::cerr << "error: " << message << std::endl;
}

/// A function of a module, which lies at `place` beside this program, however that was named: by PATH, by a
/// link, from another folder. Null, and said, when it is not there.
template <class Function>
Function* load(const char* place, const char* function, int visibility) {
  std::error_code error;
  const auto module = fs::read_symlink("/proc/self/exe", error).parent_path() / place;
  if (error) {
    fail("where rcnn lies is unknown, /proc/self/exe: " + error.message());
    return nullptr;
  }
  void* loaded = dlopen(module.c_str(), RTLD_LAZY | visibility);
  auto* found = loaded ? reinterpret_cast<Function*>(dlsym(loaded, function)) : nullptr;
  if (!found) fail(std::string("rcnn is not installed whole, ") + dlerror());
  return found;
}

/// Whether it looks like `rcnn eval --annotations`; the module of the scores looks closer.
bool may_score_files(std::span<const std::string_view> words) {
  return std::ranges::find(words, "eval") != words.end() &&
         std::ranges::any_of(words, [](auto word) { return word.starts_with("--annotations"); });
}

/// The exit code where a module cannot be loaded: 1, which of weights diff says that the files differ.
int code_without_module(std::span<const std::string_view> words) {
  constexpr std::string_view kDiff[] = {"weights", "diff"};
  return std::ranges::search(words, kDiff).empty() ? 1 : 4;
}

int run(int argc, char** argv) {
  const std::vector<std::string_view> words(argv + std::min(argc, 1), argv + argc);
  if (const auto* page = asked_for(words)) {
    std::cout << page->text;
    return 0;
  }
  if (may_score_files(words)) {
    auto* score = load<bool(int, char**, int*)>(RCNN_SCORES, "rcnn_score_files", RTLD_LOCAL);
    int exit_code = 1;
    if (!score || score(argc, argv, &exit_code)) return exit_code;
  }
  setenv("THP_MEM_ALLOC_ENABLE", "1", /*overwrite=*/0);   // LibTorch asks once: large tensors in large pages
  setenv("OPENCV_LOG_LEVEL", "SILENT", /*overwrite=*/0);  // of a damaged image the library says what is wrong
  auto* commands = load<int(int, char**)>(RCNN_COMMANDS, "rcnn_run", RTLD_GLOBAL);
  return commands ? commands(argc, argv) : code_without_module(words);
}

}  // namespace

int main(int argc, char** argv) {
  rcnn::tools::prepare_standard_streams();
  return rcnn::tools::with_checked_stdout([&] { return run(argc, argv); });
}
