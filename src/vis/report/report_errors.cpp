#include "vis/report/report_errors.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>

#include <spdlog/fmt/fmt.h>

#include "vis/report/html.h"

namespace rcnn::vis {
namespace {

constexpr int64_t kMostClasses = 60;  // of a matrix that can be read
constexpr size_t kMostPairs = 20;

/// Of a class: found as another one, missed, or seen where nothing is.
int64_t errors_of(const eval::Confusion& confusion, int64_t k) {
  int64_t errors = 0;
  for (int64_t other = 0; other <= confusion.categories; ++other) {
    if (other != k) errors += confusion.at(k, other) + confusion.at(other, k);
  }
  return errors;
}

/// The places to show: all, or those with the most errors, in their order; background at last.
std::vector<int64_t> shown_places(const eval::Confusion& confusion) {
  std::vector<int64_t> places(static_cast<size_t>(confusion.categories));
  std::iota(places.begin(), places.end(), 0);
  if (confusion.categories > kMostClasses) {
    std::stable_sort(places.begin(), places.end(),
                     [&](int64_t a, int64_t b) { return errors_of(confusion, a) > errors_of(confusion, b); });
    places.resize(kMostClasses);
    std::sort(places.begin(), places.end());
  }
  places.push_back(confusion.categories);
  return places;
}

std::string matrix(const eval::Confusion& confusion, const std::vector<std::string>& classes) {
  const auto places = shown_places(confusion);
  const auto name = [&](int64_t place, const char* background) -> std::string {
    return place == confusion.categories ? background : escaped(classes[static_cast<size_t>(place)]);
  };
  std::vector<std::string> columns = {"there \\ found"};
  for (const int64_t found : places) columns.push_back("<span>" + name(found, "missed") + "</span>");
  constexpr size_t kWideNames = 10;  // more of them stand upright
  std::string html = table_head(places.size() > kWideNames ? "heat matrix many" : "heat matrix", columns,
                                "Confusion matrix");
  for (const int64_t there : places) {
    int64_t all = 0;
    for (int64_t found = 0; found <= confusion.categories; ++found) all += confusion.at(there, found);
    html += fmt::format("<tr><th scope=\"row\">{}", name(there, "nothing"));
    for (const int64_t found : places) {
      const int64_t count = confusion.at(there, found);
      const auto* look = there == confusion.categories && found == there ? " class=\"none\""
                         : there == found                                ? " class=\"right\""
                                                                         : "";
      if (count == 0) {
        html += fmt::format("<td{}>", look);
      } else {
        html += fmt::format("<td{} style=\"--heat:{:.3f}\">{}", look,
                            static_cast<double>(count) / static_cast<double>(all), count);
      }
    }
    html += '\n';
  }
  return html + "</tbody></table></div>\n";
}

std::string pair_list(const eval::Confusion& confusion, const std::vector<std::string>& classes) {
  const auto pairs = eval::confused_pairs(confusion);
  if (pairs.empty()) return "<p>No object was found as one of another class.</p>\n";
  std::string html = "<h3>Most frequent confusions</h3><ol class=\"pairs\">";
  for (size_t i = 0; i < std::min(kMostPairs, pairs.size()); ++i) {
    const auto& [there, found, count] = pairs[i];
    html += fmt::format("<li>{} found as {}: {}</li>", escaped(classes[static_cast<size_t>(there)]),
                        escaped(classes[static_cast<size_t>(found)]), counted(count, "time"));
  }
  html += "</ol>\n";
  if (pairs.size() > kMostPairs) {
    html +=
        fmt::format("<p>And {} rarer pairs.</p>\n", grouped(static_cast<int64_t>(pairs.size() - kMostPairs)));
  }
  return html;
}

std::string_view meaning_of(std::string_view error) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kMeanings = {
      {{"localisation", "on an object of its class, but the box fits badly"},
       {"classification", "the box fits an object of another class"},
       {"duplicate", "on an object that a better detection has found"},
       {"background", "where nothing is"},
       {"both", "of another class, and the box fits badly"},
       {"missed", "an object that nothing found or came near"}}};
  for (const auto& [name, meaning] : kMeanings) {
    if (name == error) return meaning;
  }
  return "";
}

}  // namespace

std::string confusion_tables(const eval::Confusion& confusion, const std::vector<std::string>& classes) {
  std::string html;
  if (confusion.categories > kMostClasses) {
    html += fmt::format("<p>The {} of {} classes that have the most errors.</p>\n", kMostClasses,
                        confusion.categories);
  }
  return html + matrix(confusion, classes) + pair_list(confusion, classes);
}

std::string error_table(const eval::ErrorBreakdown& breakdown) {
  double most = 1e-9;
  for (const auto& error : breakdown.errors) most = std::max(most, error.gain);
  auto html = table_head("bars sortable", {"error", "count", "AP50 to gain"}, "Errors by kind");
  for (const auto& [name, count, gain] : breakdown.errors) {
    html += fmt::format(
        "<tr><th scope=\"row\">{}<span class=\"meaning\">{}</span><td>{}<td style=\"--bar:{:.3f}\">{:.3f}\n",
        name, meaning_of(name), count, std::max(gain, 0.0) / most, gain);
  }
  return html + "</tbody></table></div>\n";
}

}  // namespace rcnn::vis
