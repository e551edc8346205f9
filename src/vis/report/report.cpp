#include <algorithm>
#include <cmath>

#include <c10/util/Exception.h>
#include <spdlog/fmt/ranges.h>

#include <rcnn/vis/report/report.h>

#include "vis/boxed_image.h"
#include "vis/charts/svg_plot.h"
#include "vis/report/html.h"
#include "vis/report/report_assets.h"
#include "vis/report/report_errors.h"
#include "vis/report/report_scores.h"

namespace rcnn::vis {
namespace {

struct Section {
  std::string id, title, link, content;  // the link is the short title
};

void check(const Report& report) {
  const auto classes = std::ssize(report.classes);
  const auto agrees = [&](const char* what, int64_t count) {
    TORCH_CHECK(count == classes, "to_html: ", classes, " classes, but ", count, " in ", what);
  };
  if (report.map) agrees("map", report.map->categories);
  if (report.confusion) agrees("confusion", report.confusion->categories);
  if (!report.found.empty()) agrees("found", std::ssize(report.found));
}

/// The mean of each point and those around it, so that the way of a loss can be seen.
Curve smoothed(const Curve& curve) {
  const size_t reach = curve.y.size() / 50;
  Curve mean{.name = "mean of " + std::to_string(2 * reach + 1) + " reports", .x = curve.x};
  for (size_t i = 0; i < curve.y.size(); ++i) {
    const size_t last = std::min(i + reach, curve.y.size() - 1);
    double sum = 0, count = 0;
    for (size_t j = i - std::min(i, reach); j <= last; ++j) {
      if (!std::isfinite(curve.y[j])) continue;
      sum += curve.y[j];
      ++count;
    }
    mean.y.push_back(sum / count);
  }
  return mean;
}

std::string training_charts(const Report& report) {
  std::string charts;
  const auto add = [&](const std::vector<Curve>& curves, const char* title, const char* y_label) {
    charts += svg_plot(curves, {.title = title, .x_label = "iteration", .y_label = y_label, .size = kChart});
  };
  if (!report.losses.empty()) {
    auto sum = report.losses.front();
    constexpr size_t kManyPoints = 100;
    sum.faint = sum.y.size() >= kManyPoints;
    add(sum.faint ? std::vector{sum, smoothed(sum)} : std::vector{sum}, "Loss", "loss");
  }
  if (report.losses.size() > 1) {
    add({report.losses.begin() + 1, report.losses.end()}, "Parts of the loss", "loss");
  }
  if (!report.lr.x.empty()) add({report.lr}, "Learning rate", "learning rate");
  if (!report.scores_in_training.empty()) add(report.scores_in_training, "Scores in training", "score");
  return charts.empty() ? charts : "<div class=\"charts\">" + charts + "</div>\n";
}

std::string thresholds_note(const Report& report) {
  return fmt::format("scores from {:g} and an IoU from {:g}", report.thresholds.score_threshold,
                     report.thresholds.iou_threshold);
}

std::string gallery(const std::vector<ReportImage>& images, const std::vector<std::string>& classes,
                    const std::string& introduction) {
  if (images.empty()) return "";
  std::string html =
      "<p>" + introduction + "</p>\n" + boxed_image_legend(images) + "<div class=\"gallery\">\n";
  for (const auto& image : images) html += boxed_image(image, classes);
  return html + "</div>\n";
}

std::string comparable_note(const std::vector<std::string>& reasons) {
  if (reasons.empty()) return "<p>Comparable with published scores: yes.</p>\n";
  return fmt::format("<p>Comparable with published scores: no: {}.</p>\n",
                     escaped(fmt::format("{}", fmt::join(reasons, "; "))));
}

std::string facts_table(const std::vector<Fact>& facts) {
  if (facts.empty()) return "";
  std::string html = "<table class=\"facts\">";
  for (const auto& [name, value] : facts) {
    html += fmt::format("<tr><th scope=\"row\">{}<td>{}\n", escaped(name), escaped(value));
  }
  return html + "</table>\n";
}

/// Those that have something to tell, in the page's order.
std::vector<Section> sections_of(const Report& report) {
  std::vector<Section> sections;
  const auto add = [&](const char* id, const char* title, const char* link, std::string content) {
    sections.push_back({id, title, link, std::move(content)});
  };
  const auto& classes = report.classes;
  add("training", "Training", "Training", training_charts(report));
  if (report.map) {
    const auto& options = report.map_options;
    add("scores", "Scores", "Scores",
        summary_table(*report.map, options) + comparable_note(report.incomparable));
    add("classes", "Average precision by class and IoU", "Classes",
        fmt::format("<p>COCO's average precision with at most {} detections an image and class, at each IoU "
                    "threshold and by the objects' size. The stronger the colour, the higher.</p>\n",
                    options.max_detections.back()) +
            class_table(*report.map, classes));
    add("precision-recall", "Precision and recall", "Precision and recall",
        precision_recall(*report.map, classes));
  }
  if (report.histogram) {
    const auto introduction =
        report.annotated
            ? fmt::format(
                  "<p>A detection is right when it finds an object of its class, at an IoU from {:g}, "
                  "that no better detection has found.</p>\n",
                  report.thresholds.iou_threshold)
            : std::string();
    add("histogram", "Scores of the detections", "Detections",
        introduction + score_charts(*report.histogram, report.annotated));
  }
  if (!report.found.empty())
    add("found", "Detections by class", "By class", count_table(report.found, classes));
  if (report.confusion) {
    add("confusion", "Confusion matrix", "Confusions",
        "<p>Rows are what is there, columns what was found, with " + thresholds_note(report) +
            "; a cell is shaded by its share of the row.</p>\n" +
            confusion_tables(*report.confusion, classes));
  }
  if (report.errors) {
    add("errors", "Errors", "Errors",
        fmt::format("<p>Why AP50 is {:.3f} and not 1, as TIDE sorts it: what it would gain if one kind of "
                    "error alone were mended. Gains do not add up.</p>\n",
                    report.errors->ap50) +
            error_table(*report.errors));
  }
  const auto rule = "by F1, with " + thresholds_note(report);
  add("worst", "Worst images", "Worst images",
      gallery(report.worst, classes, "The lowest " + rule + "; among equals those with more errors."));
  add("best", "Best images", "Best images",
      gallery(report.best, classes, "The highest " + rule + "; among equals those with more objects found."));
  add("images", "Images", "Images",
      gallery(report.images, classes,
              fmt::format("With detections that score {:g} or more.", report.thresholds.score_threshold)));
  add("config", "Config", "Config",
      report.config.empty() ? "" : "<pre>" + escaped(report.config) + "</pre>\n");
  add("environment", "Environment", "Environment", facts_table(report.environment));
  std::erase_if(sections, [](const Section& section) { return section.content.empty(); });
  return sections;
}

std::string header_of(const Report& report, const std::vector<Section>& sections) {
  std::string html = "<header><h1>" + escaped(report.title) + "</h1>\n";
  if (!report.subtitle.empty()) html += "<p class=\"subtitle\">" + escaped(report.subtitle) + "</p>\n";
  const auto notice = [&](const char* kind, const std::string& text) {
    html += fmt::format("<p class=\"warning\" role=\"note\"><b>{}:</b> {}</p>\n", kind, escaped(text));
  };
  for (const auto& warning : report.warnings) notice("Missing", warning);
  for (const auto& note : report.notes) notice("Note", note);
  if (!report.facts.empty()) {
    html += "<dl class=\"tiles\">";
    for (const auto& [name, value] : report.facts) {
      html += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", escaped(name), escaped(value));
    }
    html += "</dl>\n";
  }
  html += "</header>\n<nav aria-label=\"Parts of this page\"><ul>";
  for (const auto& section : sections) {
    html += fmt::format("<li><a href=\"#{}\">{}</a></li>", section.id, section.link);
  }
  return html + "</ul></nav>\n";
}

}  // namespace

std::string to_html(const Report& report) {
  check(report);
  const auto sections = sections_of(report);
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      // So that nothing in the page can ask a network for anything.
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src "
      "'unsafe-inline'; script-src 'unsafe-inline'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n"
      "<title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n"
      // Of the hatched bars.
      "<svg class=\"patterns\" aria-hidden=\"true\"><defs><pattern id=\"hatch\" width=\"5\" height=\"5\" "
      "patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect class=\"ground\" width=\"5\" "
      "height=\"5\"/><rect class=\"stripe\" width=\"2.4\" height=\"5\"/></pattern></defs></svg>\n",
      escaped(report.title), kReportStyle);
  html += header_of(report, sections) + "<main>\n";
  for (const auto& [id, title, link, content] : sections) {
    html += fmt::format("<section id=\"{0}\" aria-labelledby=\"{0}-title\">\n<h2 id=\"{0}-title\">{1}</h2>\n",
                        id, title);
    html += content + "</section>\n";
  }
  return html + "</main>\n<script>\n" + kReportScript + "</script>\n</body>\n</html>\n";
}

}  // namespace rcnn::vis
