#pragma once

#include <clocale>
#include <cstdlib>
#include <locale>
#include <string>
#include <vector>

#include "tests/support/temp_folder.h"

namespace rcnn {

/// While it lives, both locales of this process, C's and C++'s, are German where they can be: 0,5 is a half
/// and 1.000 is a thousand.
class GermanLocale {
 public:
  GermanLocale() {
    if (!made()) return;
    setenv("LOCPATH", folder().c_str(), /*overwrite=*/1);
    is_set_ = std::setlocale(LC_ALL, "de_DE.UTF-8") != nullptr;
    if (is_set_) std::locale::global(std::locale("de_DE.UTF-8"));
  }
  ~GermanLocale() {
    std::locale::global(std::locale::classic());  // and C's with it
    unsetenv("LOCPATH");
  }
  GermanLocale(const GermanLocale&) = delete;
  GermanLocale& operator=(const GermanLocale&) = delete;

  explicit operator bool() const { return is_set_; }

  /// What a program needs in its environment for the same.
  static std::vector<std::string> environment() {
    if (!made()) return {};
    return {"LOCPATH=" + folder().string(), "LC_ALL=de_DE.UTF-8"};
  }

  static constexpr const char* kNone =
      "there is no locale de_DE.UTF-8 and localedef cannot make it (Debian: locales)";

 private:
  static const std::filesystem::path& folder() {
    static const TempFolder temp;
    return temp.path();
  }

  static bool made() {
    static const bool is_made = [] {
      const auto command =
          "localedef -i de_DE -f UTF-8 " + (folder() / "de_DE.UTF-8").string() + " >/dev/null 2>&1";
      return std::system(command.c_str()) == 0;
    }();
    return is_made;
  }

  bool is_set_ = false;
};

}  // namespace rcnn
