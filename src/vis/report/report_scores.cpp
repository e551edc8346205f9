#include "vis/report/report_scores.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include <spdlog/fmt/fmt.h>

#include <rcnn/eval/coco/coco_summary.h>

#include "vis/charts/svg_bars.h"
#include "vis/charts/svg_plot.h"
#include "vis/report/html.h"

namespace rcnn::vis {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t kAllAreas = 0;
const PlotValues kShares{.x = {0, 1}, .y = {0, 1}};  // for axes that go from nothing to all

/// -1 as COCO has it for what there is nothing of.
double or_none(double value) {
  return value < 0 ? kNone : value;
}

std::string heat_cell(double value) {
  if (std::isnan(value)) return "<td class=\"none\">–";
  return fmt::format("<td style=\"--heat:{:.3f}\">{:.3f}", std::clamp(value, 0.0, 1.0), value);
}

double mean_of(const std::vector<double>& values) {
  double sum = 0, count = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    sum += value;
    ++count;
  }
  return count == 0 ? kNone : sum / count;
}

/// [101] at the IoU threshold of place `t`; of no object nothing.
std::vector<double> precisions(const eval::CocoMap& map, int64_t t, int64_t k, int64_t area = kAllAreas) {
  std::vector<double> values;
  for (int64_t r = 0; r < eval::CocoMap::kRecalls; ++r) {
    values.push_back(or_none(map.precision_at(t, r, k, area, map.limits - 1)));
  }
  return values;
}

/// The mean of several such lists.
std::vector<double> mean_of_lists(const std::vector<std::vector<double>>& lists) {
  std::vector<double> means;
  for (int64_t r = 0; r < eval::CocoMap::kRecalls; ++r) {
    std::vector<double> column;
    for (const auto& list : lists) column.push_back(list[static_cast<size_t>(r)]);
    means.push_back(mean_of(column));
  }
  return means;
}

/// Precision over recall of some classes together.
std::vector<Curve> curves_of(const eval::CocoMap& map, const std::vector<int64_t>& classes) {
  const auto at = [&](int64_t t) {
    std::vector<std::vector<double>> lists;
    for (const int64_t k : classes) lists.push_back(precisions(map, t, k));
    return mean_of_lists(lists);
  };
  std::vector<std::vector<double>> all;
  for (int64_t t = 0; t < map.thresholds; ++t) all.push_back(at(t));
  std::vector<Curve> curves = {{.name = "IoU 0.50", .y = all[0]},
                               {.name = "IoU 0.75", .y = all[5]},
                               {.name = "mean of IoU 0.50 to 0.95", .y = mean_of_lists(all)}};
  for (auto& curve : curves) {
    for (int64_t r = 0; r < eval::CocoMap::kRecalls; ++r) curve.x.push_back(0.01 * static_cast<double>(r));
  }
  return curves;
}

/// AP over the IoU threshold, of objects of any size and of each.
std::vector<Curve> ap_by_iou(const eval::CocoMap& map) {
  const std::array<const char*, 4> names = {"all objects", "small", "medium", "large"};
  std::vector<Curve> curves;
  for (int64_t area = 0; area < map.areas; ++area) {
    Curve curve{.name = names[static_cast<size_t>(area)], .x = eval::CocoMapOptions::coco_iou_thresholds()};
    for (int64_t t = 0; t < map.thresholds; ++t) {
      std::vector<double> of_classes;
      for (int64_t k = 0; k < map.categories; ++k) of_classes.push_back(mean_of(precisions(map, t, k, area)));
      curve.y.push_back(mean_of(of_classes));
    }
    if (!std::isnan(curve.y.front())) curves.push_back(std::move(curve));
  }
  return curves;
}

/// The classes by falling `values`, those without one last.
std::vector<int64_t> ordered(const std::vector<double>& values) {
  std::vector<int64_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    const double x = values[static_cast<size_t>(a)], y = values[static_cast<size_t>(b)];
    return std::isnan(y) ? !std::isnan(x) : x > y;
  });
  return order;
}

std::vector<int64_t> by_ap(const eval::CocoMap& map) {
  std::vector<double> aps;
  for (int64_t k = 0; k < map.categories; ++k) aps.push_back(or_none(eval::coco_summary(map, {}, k).ap));
  return ordered(aps);
}

std::string mini_chart(const eval::CocoMap& map, int64_t k, const std::string& name) {
  constexpr double kSide = 100;
  const auto curves = curves_of(map, {k});
  std::string drawing;
  for (size_t i = 0; i < curves.size(); ++i) {
    drawing += svg_curve(curves[i], i, [](double recall, double precision) -> SvgPoint {
      return {kSide * recall, kSide * (1 - precision)};
    });
  }
  const auto summary = eval::coco_summary(map, {}, k);
  const auto words =
      fmt::format("AP {:.3f}, AP50 {:.3f}, AP75 {:.3f}", summary.ap, summary.ap50, summary.ap75);
  return fmt::format(
      "<figure class=\"mini\"><svg viewBox=\"-2 -2 104 104\" role=\"img\" aria-label=\"Precision over recall "
      "of "
      "{0}: {1}\"><path class=\"frame\" d=\"M0 0V{2}H{2}\"/>\n{3}</svg><figcaption><b>{0}</b> "
      "{1}</figcaption>"
      "</figure>\n",
      escaped(name), words, kSide, drawing);
}

}  // namespace

std::string summary_table(const eval::CocoMap& map, const eval::CocoMapOptions& options) {
  const auto numbers = eval::named_numbers(eval::coco_summary(map, options), options);
  const std::array<std::string, 12> meanings = {"mean of IoU 0.50 to 0.95",
                                                "IoU 0.50",
                                                "IoU 0.75",
                                                "small objects, area below 32²",
                                                "medium, 32² to 96²",
                                                "large, from 96²",
                                                "recall, 1 detection an image and class",
                                                "10 detections",
                                                fmt::format("{} detections", options.max_detections.back()),
                                                "small objects",
                                                "medium",
                                                "large"};
  std::string html = "<dl class=\"numbers\">";
  for (size_t i = 0; i < meanings.size(); ++i) {
    const auto& [name, value] = numbers[i];
    html += fmt::format("<div><dt>{}</dt><dd>{}</dd><dd class=\"meaning\">{}</dd></div>", name,
                        fixed(or_none(value)), meanings[i]);
  }
  return html + "</dl>\n";
}

std::string class_table(const eval::CocoMap& map, const std::vector<std::string>& classes) {
  const auto thresholds = eval::CocoMapOptions::coco_iou_thresholds();
  std::vector<std::string> names = {"class", "objects", "AP"};
  for (const double threshold : thresholds) names.push_back(fixed(threshold, 2));
  names.insert(names.end(), {"small", "medium", "large"});
  auto html = table_head("heat sortable", names, "Average precision by class");

  std::vector<std::vector<double>> columns(thresholds.size());
  std::string rows;
  int64_t objects = 0;
  for (const int64_t k : by_ap(map)) {
    const auto summary = eval::coco_summary(map, {}, k);
    objects += map.truths_at(k, kAllAreas);
    rows += fmt::format("<tr><th scope=\"row\">{}<td>{}{}", escaped(classes[static_cast<size_t>(k)]),
                        map.truths_at(k, kAllAreas), heat_cell(or_none(summary.ap)));
    for (size_t t = 0; t < columns.size(); ++t) {
      columns[t].push_back(mean_of(precisions(map, static_cast<int64_t>(t), k)));
      rows += heat_cell(columns[t].back());
    }
    rows += heat_cell(or_none(summary.ap_small)) + heat_cell(or_none(summary.ap_medium)) +
            heat_cell(or_none(summary.ap_large)) + '\n';
  }
  const auto all = eval::coco_summary(map);
  html += rows + fmt::format("</tbody>\n<tfoot><tr><th scope=\"row\">all classes<td>{}{}", objects,
                             heat_cell(or_none(all.ap)));
  for (const auto& column : columns) html += heat_cell(mean_of(column));
  return html + heat_cell(or_none(all.ap_small)) + heat_cell(or_none(all.ap_medium)) +
         heat_cell(or_none(all.ap_large)) + "</tfoot></table></div>\n";
}

std::string precision_recall(const eval::CocoMap& map, const std::vector<std::string>& classes) {
  std::vector<int64_t> all(classes.size());
  std::iota(all.begin(), all.end(), 0);
  std::string html = "<div class=\"charts\">";
  html += svg_plot(curves_of(map, all),
                   {.title = "Precision over recall, mean over the classes",
                    .x_label = "recall",
                    .y_label = "precision",
                    .size = kChart},
                   kShares);
  html += svg_plot(ap_by_iou(map),
                   {.title = "Average precision over the IoU threshold",
                    .x_label = "IoU threshold",
                    .y_label = "AP",
                    .size = kChart},
                   {.x = {}, .y = kShares.y});
  html += "</div>\n";
  if (classes.size() < 2) return html;
  html +=
      "<h3>By class</h3><p>The same three lines for each class, the highest AP first; recall to the right, "
      "precision upwards, both from 0 to 1.</p><div class=\"minis\">";
  for (const int64_t k : by_ap(map)) {
    if (map.truths_at(k, kAllAreas) > 0) html += mini_chart(map, k, classes[static_cast<size_t>(k)]);
  }
  return html + "</div>\n";
}

std::string score_charts(const eval::ScoreHistogram& histogram, bool annotated) {
  std::vector<BarSeries> series;
  if (annotated) {
    series = {{"right", histogram.right}, {"wrong", histogram.wrong}};
  } else {
    series = {{"detections", histogram.wrong}};
  }
  std::string html =
      "<div class=\"charts\">" +
      svg_bars(series, histogram.low, histogram.high,
               {.title = "Detections by score", .x_label = "score", .y_label = "detections", .size = kChart});
  if (annotated) {
    Curve share{.name = "right ones"},
        equal{.name = "as the score says", .x = {0, 1}, .y = {0, 1}, .faint = true};
    for (size_t i = 0; i < histogram.right.size(); ++i) {
      const int64_t all = histogram.right[i] + histogram.wrong[i];
      share.x.push_back(histogram.low + (static_cast<double>(i) + 0.5) * histogram.width());
      share.y.push_back(all == 0 ? kNone
                                 : static_cast<double>(histogram.right[i]) / static_cast<double>(all));
    }
    html += svg_plot(std::vector{share, equal},
                     {.title = "Share of right detections by score",
                      .x_label = "score",
                      .y_label = "share",
                      .size = kChart},
                     kShares);
  }
  return html + "</div>\n";
}

std::string count_table(const std::vector<int64_t>& found, const std::vector<std::string>& classes) {
  const auto order = ordered({found.begin(), found.end()});
  const auto most = static_cast<double>(std::max<int64_t>(1, std::ranges::max(found)));
  auto html = table_head("bars sortable", {"class", "detections"});
  for (const int64_t k : order) {
    const int64_t count = found[static_cast<size_t>(k)];
    html += fmt::format("<tr><th scope=\"row\">{}<td style=\"--bar:{:.3f}\">{}\n",
                        escaped(classes[static_cast<size_t>(k)]), static_cast<double>(count) / most, count);
  }
  return html + "</tbody></table>\n";
}

}  // namespace rcnn::vis
