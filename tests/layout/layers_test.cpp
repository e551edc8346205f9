#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace rcnn {
namespace {

namespace fs = std::filesystem;

/// Calls see(file relative to the checkout, line) for every line of the library and the program.
template <class See>
void for_each_line(See see) {
  for (const char* top : {"include/rcnn", "src", "tools"}) {
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(RCNN_SOURCE) / top)) {
      const std::string extension = entry.path().extension();
      if (extension != ".h" && extension != ".cpp" && extension != ".cu") continue;
      std::ifstream lines(entry.path());
      for (std::string line; std::getline(lines, line);)
        see(entry.path().lexically_relative(RCNN_SOURCE), line);
    }
  }
}

/// Calls see(file relative to the checkout, included) for every #include of the library and the program.
template <class See>
void for_each_include(See see) {
  static const std::regex kInclude("\\s*#\\s*include\\s*[<\"]([^>\"]+)[>\"].*");
  for_each_line([&](const fs::path& file, const std::string& line) {
    std::smatch match;
    if (std::regex_match(line, match, kInclude)) see(file, match.str(1));
  });
}

/// include/rcnn/ops/nms.h and src/ops/nms.cpp are of the room ops; a file beside the rooms is of none.
std::string room_of(const fs::path& file) {
  if (*file.begin() == "tools") return "tools";
  const fs::path inside = file.lexically_relative(*file.begin() == "src" ? "src" : "include/rcnn");
  return inside.has_parent_path() ? inside.begin()->string() : "";
}

TEST(Layers, ARoomIncludesOnlyItselfAndTheRoomsItMaySee) {
  const std::map<std::string, std::set<std::string>> may_see{
      {"", {}},  // log.h, types.h, ...: open to every room, and seeing none
      {"config", {}},
      {"io", {}},
      {"ops", {}},
      {"boxes", {"ops"}},
      {"losses", {"ops", "boxes"}},
      {"nn", {"config", "io", "ops", "boxes", "losses"}},
      {"data", {"config", "io", "boxes"}},
      {"eval", {"boxes"}},
      {"vis", {"eval"}},
      {"infer", {"config", "io", "boxes", "nn", "data"}},
      {"train", {"config", "io", "losses", "nn", "data", "infer"}},
  };
  int seen = 0;
  for_each_include([&](const fs::path& file, const std::string& included) {
    EXPECT_FALSE(included.starts_with("..")) << file << " includes " << included << ": name it from the top";
    const std::string from = room_of(file);
    if (from == "tools" || file == "include/rcnn/rcnn.h") return;  // these see all
    ASSERT_TRUE(may_see.contains(from)) << file << ": a room that the table does not know";
    // <rcnn/ops/nms.h>, and "ops/device.h" for what is private to src.
    const fs::path target(included.starts_with("rcnn/") ? "include/" + included : "src/" + included);
    if (!fs::exists(RCNN_SOURCE / target)) return;
    ++seen;
    const std::string to = room_of(target);
    EXPECT_TRUE(to.empty() || to == from || may_see.at(from).contains(to))
        << file << " includes " << included << ": " << from << " may not see " << to;
  });
  EXPECT_GT(seen, 100);
}

TEST(Layers, OtherLibrariesAppearOnlyWhereTheyMay) {
  for_each_include([](const fs::path& file, const std::string& included) {
    const std::string room = room_of(file);
    const bool is_public = *file.begin() == "include";
    const auto allow = [&](const char* library, bool allowed) {
      EXPECT_TRUE(allowed || !included.starts_with(library)) << file << " includes " << included;
    };
    allow("opencv2/", !is_public && (room == "data" || room == "vis" || room == "infer" ||
                                     file.parent_path() == "tools/rcnn/demo"));
    allow("nlohmann/", !is_public);
    allow("CLI/", room == "tools");
    allow("pugixml", !is_public && room == "data");
    allow("yaml-cpp/", file == "src/data/formats/yolo/yolo_yaml.cpp");
    allow("simdjson", !is_public && room == "data");
    allow("jpeglib", file == "src/data/images/jpeg.cpp");
    allow("google/protobuf/", file == "src/io/caffe/caffe_net.cpp");
    allow("tiffio", file == "src/data/images/tiff.cpp");
    allow("matio", file == "src/data/proposals/mat_proposals.cpp");
    allow("c10/cuda/", file == "src/ops/device.cpp");
    allow("ATen/cuda/", false);
    if (file.string().starts_with("src/ops/kernels") || room == "eval") {
      for (const char* torch : {"torch/", "ATen/", "c10/", "rcnn/types.h"}) allow(torch, false);
    }
  });
}

/// What goes around std::cout goes around the check of what is written to stdout (standard_streams.h).
TEST(Program, WritesToStdoutByCoutAlone) {
  static const std::regex kOther(
      "(^|[^a-z_])(std::)?(printf|puts|putchar|fputs|fwrite)\\(|fmt::print\\(|STDOUT_FILENO|[(, ]stdout[),]");
  static const std::regex kTextOrComment("\"[^\"]*\"|//.*");
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(RCNN_SOURCE) / "tools/rcnn")) {
    if (entry.path().stem() == "standard_streams" || entry.path().extension() != ".cpp") continue;
    std::ifstream lines(entry.path());
    for (std::string line; std::getline(lines, line);) {
      const auto code = std::regex_replace(line, kTextOrComment, "");
      EXPECT_FALSE(std::regex_search(code, kOther)) << entry.path() << ": " << line;
    }
  }
}

// A host program may have set a locale whose decimal point is a comma and whose thousands have dots. Numbers
// are read and written by std::from_chars, std::to_chars, fmt and nlohmann's writer, which know no locale.
TEST(Layers, NothingDependsOnTheLocale) {
  static const std::vector<std::string> kNames{
      "strtod(",       "strtof(",       "strtold(",         "stod(",    "stof(",      "stold(",
      "atof(",         "printf(",       "scanf(",           "tolower(", "toupper(",   "isspace(",
      "isdigit(",      "isalpha(",      "isalnum(",         "isprint(", "isupper(",   "islower(",
      "put_time(",     "get_time(",     "strftime(",        "imbue(",   "setlocale(", "std::locale",
      "istringstream", "ostringstream", "std::stringstream"};
  const std::set<fs::path> may{
      "src/device.cpp",                   // reads words
      "src/log.cpp",                      // one line of text
      "tools/rcnn/write_help_pages.cpp",  // runs when the program is built
  };
  int seen = 0;
  for_each_line([&](const fs::path& file, const std::string& line) {
    ++seen;
    if (may.contains(file) || file.string().starts_with("tools/bench")) return;
    const auto code = line.substr(0, line.find("//"));
    for (const auto& name : kNames) EXPECT_EQ(code.find(name), code.npos) << file << ": " << line;
  });
  EXPECT_GT(seen, 10000);
}

}  // namespace
}  // namespace rcnn
