#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rcnn/data/formats/coco/coco_file.h>
#include <rcnn/data/problems.h>
#include <rcnn/detection.h>

namespace rcnn::data {

/// How the lines of a part are to be read.
struct YoloLinesOptions {
  std::string kind = {};  ///< box, outline, oriented, pose; empty: told by the numbers of each line
  std::optional<std::array<int64_t, 2>> keypoint_shape = {};  ///< points, and numbers of each
  std::vector<std::string> names = {};                        ///< of the classes; empty where one has none
  std::string names_origin = {};                              ///< the file that has them
  Policy bad_boxes = Policy::skip;
  Policy bad_values = Policy::skip;
  bool with_details = false;
};

/// Reads the lines of a part's labels. A line is a class and
///
/// - a box: x y width height, the centre first; and a confidence as programs that detect write it;
/// - an outline: x1 y1 x2 y2 x3 y3 ..., three points or more, four for an oriented box; the box is the hull;
/// - a box and key points, x y or x y visibility each, as many as `keypoint_shape` says.
///
/// All as shares of the image's sides. A line of many numbers may fit both of the latter: without a shape
/// they are outlines, unless in nine of ten such lines all further points lie inside of the box that the
/// first four numbers would be; then the part cannot be read before somebody says what they are.
class YoloLines {
 public:
  /// Adds to `content` and `problems`; class N becomes the category N + 1.
  YoloLines(YoloLinesOptions options, CocoFile& content, Problems& problems);

  /// Reads the labels of content.images[image], whose size is known. `file` is what messages call them.
  void read(std::string_view text, size_t image, const std::string& file);

  /// After the last file: says which lines cannot be told apart, and finishes key points.
  void finish();

 private:
  struct Line;
  enum class Form { none, box, outline, pose };
  struct Points {  // whose numbers the whole part decides what they are
    size_t annotation = 0;
    std::string where = {};
    std::vector<double> shares = {};
  };

  void read_line(Line& line);
  bool read_numbers(Line& line);
  bool read_class(const Line& line, int64_t& category);
  Form form_of(const Line& line);
  bool read_box(const Line& line, CocoAnnotation& annotation, CocoDetails& details);
  bool read_outline(const Line& line, CocoAnnotation& annotation, CocoDetails& details);
  void read_points(const Line& line);
  void add_points(int64_t dimensions, const Points& points);
  bool are_shares(const Line& line, size_t begin, size_t end);
  bool bad(const Line& line, const std::string& what, std::string_view value);
  std::string expected() const;

  const YoloLinesOptions options_;
  CocoFile& content_;
  Problems& problems_;
  const int64_t shape_numbers_;                       // of key points in a line; 0 where nobody says
  std::vector<double> numbers_;                       // of a line
  std::vector<std::string> unclear_;                  // the first lines that may be key points
  int64_t many_ = 0, like_pose_ = 0, only_pose_ = 0;  // lines of many numbers
  size_t first_pose_ = 0;                             // numbers of the first line of key points
  std::vector<Points> points_;
};

}  // namespace rcnn::data
