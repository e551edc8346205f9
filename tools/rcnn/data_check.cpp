#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/tools/check.h>
#include <rcnn/printable.h>

#include "commands.h"
#include "data_commands.h"
#include "progress.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;

using Json = nlohmann::ordered_json;
using data::Severity;

struct DataCheckArguments {
  std::vector<std::filesystem::path> datasets;
  data::LocateOptions locate;
  bool fast = false, json = false;
};

/// A data set of the command line, or why it is none.
struct Checked {
  std::filesystem::path dataset;
  std::vector<data::DatasetCheck> parts;
  data::Problems problems;  // of the whole

  bool usable() const {
    return !problems.has(Severity::error) && std::none_of(parts.begin(), parts.end(), [](const auto& part) {
      return part.problems.has(Severity::error);
    });
  }
};

Checked check(const std::filesystem::path& dataset, const DataCheckArguments& arguments) {
  Checked checked{.dataset = dataset, .parts = {}, .problems = {}};
  try {
    for (const auto& part : data::locate(dataset, arguments.locate)) {
      const ProgressLine progress(fmt::format("decoding {}", part.name));
      checked.parts.push_back(data::check(
          part, {.decode = !arguments.fast,
                 .on_progress = [&](int64_t done, int64_t total) { progress.show(done, total); }}));
    }
    checked.problems = data::compare(checked.parts);
  } catch (const DataError& error) {
    checked.problems.error("it cannot be checked", error.what());
  }
  return checked;
}

std::string bars(const data::Histogram& histogram) {
  constexpr int64_t kWidth = 40;
  const auto most = *std::max_element(histogram.counts.begin(), histogram.counts.end());
  std::string text;
  for (size_t i = 0; i < histogram.counts.size(); ++i) {
    const auto to = histogram.edges[i + 1];
    const auto range = std::isinf(to) ? fmt::format("{:.3g} -", histogram.edges[i])
                                      : fmt::format("{:.3g} - {:.3g}", histogram.edges[i], to);
    const auto count = histogram.counts[i];
    text +=
        fmt::format("{:>14} {:>8}{}{}\n", range, count, count > 0 ? " " : "",
                    std::string(static_cast<size_t>(most > 0 ? (count * kWidth + most - 1) / most : 0), '#'));
  }
  return text;
}

std::string to_text(const data::ProposalCheck& proposals, int64_t images) {
  const auto share = [](int64_t part, int64_t all) {
    return static_cast<double>(part) / static_cast<double>(std::max<int64_t>(all, 1));
  };
  return fmt::format(
      "proposals of {}: {:.1f} an image, at most {}, {} images have none; with an IoU of 0.5 they cover {} "
      "of {} objects ({:.1f} %)\n",
      printable(proposals.file.string()), share(proposals.boxes, images), proposals.most,
      proposals.empty_images, proposals.covered, proposals.objects,
      100 * share(proposals.covered, proposals.objects));
}

std::string to_text(const data::Problems& problems) {
  std::string text;
  if (problems.has(Severity::error)) {
    text += fmt::format("errors, which would stop a training:{}\n", problems.text(Severity::error));
  }
  if (problems.has(Severity::warning)) {
    text += fmt::format("warnings:{}\n", problems.text(Severity::warning));
  }
  return text;
}

void print_text(const Checked& checked) {
  std::cout << printable(checked.dataset.string()) << '\n';
  for (const auto& part : checked.parts) {
    std::cout << fmt::format("\n{}: {} images, {} of them without an object\n", printable(part.name),
                             part.images, part.empty_images);
    if (part.images > 0) {
      std::cout << data::to_table(part.classes) << "box sizes, square roots of areas in pixels:\n"
                << bars(part.sizes) << "width / height of boxes:\n"
                << bars(part.ratios);
    }
    if (part.proposals) std::cout << to_text(*part.proposals, part.images);
    const auto text = to_text(part.problems);
    std::cout << (text.empty() ? "nothing is wrong\n" : text);
  }
  std::cout << to_text(checked.problems);
}

Json to_json(const data::Problems& problems, Severity severity) {
  auto list = Json::array();
  for (const auto& kind : problems.kinds()) {
    if (kind.severity != severity) continue;
    list.push_back({{"what", kind.what}, {"count", kind.where.size()}, {"where", kind.where}});
  }
  return list;
}

Json to_json(const data::Histogram& histogram) {
  auto bins = Json::array();
  for (size_t i = 0; i < histogram.counts.size(); ++i) {
    const auto to = histogram.edges[i + 1];
    bins.push_back({{"from", histogram.edges[i]},
                    {"to", std::isinf(to) ? Json(nullptr) : Json(to)},
                    {"count", histogram.counts[i]}});
  }
  return bins;
}

Json to_json(const Checked& checked) {
  auto parts = Json::array();
  for (const auto& part : checked.parts) {
    auto classes = Json::array();
    for (const auto& row : part.classes) {
      classes.push_back(
          {{"name", row.name}, {"images", row.images}, {"boxes", row.boxes}, {"ignored", row.ignored}});
    }
    Json proposals;
    if (const auto& found = part.proposals) {
      proposals = {{"file", found->file.string()}, {"boxes", found->boxes},
                   {"most", found->most},          {"empty_images", found->empty_images},
                   {"objects", found->objects},    {"covered", found->covered}};
    }
    parts.push_back({{"name", part.name},
                     {"images", part.images},
                     {"empty_images", part.empty_images},
                     {"classes", std::move(classes)},
                     {"box_sizes", to_json(part.sizes)},
                     {"aspect_ratios", to_json(part.ratios)},
                     {"proposals", std::move(proposals)},
                     {"errors", to_json(part.problems, Severity::error)},
                     {"warnings", to_json(part.problems, Severity::warning)}});
  }
  return {{"dataset", checked.dataset.string()},
          {"usable", checked.usable()},
          {"parts", std::move(parts)},
          {"errors", to_json(checked.problems, Severity::error)},
          {"warnings", to_json(checked.problems, Severity::warning)}};
}

/// Takes the words key=value out of the names of data sets: they change configs.
void take_overrides(DataCheckArguments& arguments) {
  const auto is_override = [](const fs::path& word) {
    std::error_code ignored;  // a name too long is none of a file
    return word.string().find('=') != std::string::npos && !fs::exists(word, ignored);
  };
  const auto [begin, end] = std::ranges::stable_partition(arguments.datasets, std::not_fn(is_override));
  arguments.locate.overrides.assign(begin, end);
  arguments.datasets.erase(begin, end);
  if (arguments.datasets.empty()) throw CLI::RequiredError("datasets");
}

/// Returns whether a training could use all of them.
bool run(const DataCheckArguments& arguments) {
  bool usable = true;
  auto list = Json::array();
  for (const auto& dataset : arguments.datasets) {
    const auto checked = check(dataset, arguments);
    usable &= checked.usable();
    if (arguments.json) {
      list.push_back(to_json(checked));
    } else {
      print_text(checked);
    }
  }
  if (arguments.json) std::cout << list.dump(1, ' ', false, Json::error_handler_t::replace) << '\n';
  return usable;
}

}  // namespace

void add_data_check(CLI::App& app) {
  auto* command = app.add_subcommand(
      "check", "say everything that is wrong with data sets, and what is in them; exit code 3 for errors");
  auto arguments = std::make_shared<DataCheckArguments>();
  command
      ->add_option("datasets", arguments->datasets,
                   fmt::format("{}; and data.key=value ..., instead of what a config says", kDatasetHelp))
      ->required();
  add_locate(*command, arguments->locate);
  add_policies(*command, arguments->locate);
  command->add_flag("--fast", arguments->fast, "read the headers of images only, do not decode them");
  command->add_flag("--json", arguments->json, "a list on stdout, one object a data set, with all places");
  command->callback([arguments] {
    take_overrides(*arguments);
    if (!run(*arguments)) throw CLI::RuntimeError(kBadData);
  });
}

}  // namespace rcnn::tools
