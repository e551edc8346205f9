#pragma once

#include <clocale>
#include <cstdlib>
#include <locale>
#include <string>
#include <string_view>
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
      static const TempFolder source;
      const auto command = "localedef -i " + source.write("german", definition()).string() + " -f UTF-8 " +
                           (folder() / "de_DE.UTF-8").string() + " >/dev/null 2>&1";
      return std::system(command.c_str()) == 0;
    }();
    return is_made;
  }

  /// Debian's German but for the tables of letters and of their order, which take localedef four times as
  /// long as all the rest.
  static std::string definition() {
    std::string text = "comment_char %\nescape_char /\n";
    for (const char* name : {"CTYPE", "COLLATE", "IDENTIFICATION", "MONETARY", "NUMERIC", "TIME", "MESSAGES",
                             "PAPER", "NAME", "ADDRESS", "TELEPHONE", "MEASUREMENT"}) {
      const bool is_table = name == std::string_view("CTYPE") || name == std::string_view("COLLATE");
      const std::string category = "LC_" + std::string(name);
      text += category + "\ncopy \"" + (is_table ? "POSIX" : "de_DE") + "\"\nEND " + category + "\n";
    }
    return text;
  }

  bool is_set_ = false;
};

}  // namespace rcnn
