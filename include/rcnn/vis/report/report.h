#pragma once

#include <optional>
#include <string>
#include <vector>

#include <rcnn/eval/coco/coco_map.h>
#include <rcnn/eval/errors/confusion.h>
#include <rcnn/eval/errors/error_breakdown.h>
#include <rcnn/eval/errors/score_histogram.h>
#include <rcnn/export.h>
#include <rcnn/types.h>
#include <rcnn/vis/charts/plot.h>

namespace rcnn::vis {

/// A detection or an object on a picture.
struct JudgedBox {
  enum class Verdict {
    right,   ///< a detection that found an object
    wrong,   ///< a detection that found none
    missed,  ///< an object that no detection found
    found,   ///< an object that one did
    none,    ///< a detection, where the objects are not known
  } verdict = Verdict::none;
  Box box;                          ///< in the pixels of the image as it is given
  int64_t label = 0;                ///< 1..C
  std::optional<float> score = {};  ///< of a detection
};

/// A picture of a report, with boxes.
struct ReportImage {
  at::Tensor image;  ///< uint8 [H, W, 3] RGB on the CPU
  std::string name;
  std::string remark = {};            ///< a line below the picture
  std::vector<JudgedBox> boxes = {};  ///< important ones first: their labels have room before others'
};

/// A line of a table: "LibTorch", "2.11.0".
struct Fact {
  std::string name, value;
};

/// What is to be told. All but the title may be left empty; the page then has no such part.
struct Report {
  std::string title;
  std::string subtitle = {};                   ///< a sentence below it
  std::vector<std::string> warnings = {};      ///< what is missing here and why, a line each
  std::vector<std::string> notes = {};         ///< what a reader of the scores has to know, a line each
  std::vector<Fact> facts = {};                ///< the few numbers to see first
  std::vector<Curve> losses = {};              ///< over iterations; the first one is their sum
  Curve lr = {};                               ///< learning rate over iterations
  std::vector<Curve> scores_in_training = {};  ///< over iterations

  std::vector<std::string> classes = {};  ///< [C] names, in the order of the category ids below
  std::optional<eval::CocoMap> map = {};
  eval::CocoMapOptions map_options = {};       ///< it was made with, COCO's but for the last of three limits
  std::vector<std::string> incomparable = {};  ///< why its scores cannot be compared with published ones
  std::optional<eval::ScoreHistogram> histogram = {};
  bool annotated = true;            ///< false: no object is known, so that no detection is right or wrong
  std::vector<int64_t> found = {};  ///< [C] detections by class
  std::optional<eval::Confusion> confusion = {};
  std::optional<eval::ErrorBreakdown> errors = {};
  eval::ConfusionOptions thresholds = {};  ///< that the confusions and the boxes of the images went by

  std::vector<ReportImage> worst = {}, best = {}, images = {};  ///< the last are of no order
  std::string config = {};                                      ///< as JSON
  std::vector<Fact> environment = {};
};

/// One HTML page that needs nothing else, and asks nothing of any network: plots are SVG, pictures are JPEGs
/// inside of it, made to fit into 640 x 640 pixels. All of it can be read without scripts; the one it has
/// adds values under the pointer, sorting of tables and larger pictures. It follows the reader's choice of
/// light or dark and can be printed. Names may hold any bytes: markup is escaped, what is no UTF-8 becomes
/// replacement characters.
///
/// Throws c10::Error for another kind of image, a label outside 1..C, a box that is not finite, numbers of
/// classes that do not agree, and curves as plot() does.
RCNN_EXPORT std::string to_html(const Report& report);

}  // namespace rcnn::vis
