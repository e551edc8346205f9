#include "evaluate.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <iterator>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/dataset.h>
#include <rcnn/data/formats/coco/coco_file.h>
#include <rcnn/data/formats/format.h>
#include <rcnn/data/loading/read_ahead.h>
#include <rcnn/data/loading/transforms.h>
#include <rcnn/data/tools/locate.h>
#include <rcnn/infer/proposal_source.h>
#include <rcnn/log.h>

#include "coco_files.h"
#include "progress.h"

namespace rcnn::tools {
namespace {

bool is_coco(const TestSet& test) {
  return test.options.type == "coco" && !test.options.test.annotations.empty();
}

/// The COCO file of the test set as it stands there. What is wrong with it was said when the set was opened.
data::CocoFile file_of(const TestSet& test) {
  const auto& options = test.options;
  data::Problems said;
  return data::read_coco_file(
      options.test.annotations, said,
      {.bad_values = options.bad_values, .bad_boxes = options.bad_boxes, .bad_images = options.bad_images});
}

/// Every image, with nothing found on it yet. COCO's images have ids and names of their own, with folders
/// where they have some; others are counted.
std::vector<ImageDetections> all_images(const TestSet& test) {
  std::vector<ImageDetections> images;
  const bool coco = is_coco(test);
  const auto is_number = [](const std::string& id) {
    int64_t number = 0;
    const char* end = id.data() + id.size();
    return std::from_chars(id.data(), end, number).ptr == end;
  };
  bool texts = false;
  for (int64_t i = 0; coco && i < test.dataset->size(); ++i) texts |= !is_number(test.dataset->record(i).id);
  const auto text_ids = texts ? file_of(test).text_ids.images : std::unordered_map<std::string, int64_t>();
  const auto id_of = [&](const std::string& id) {
    const auto known = text_ids.find(id);
    return known == text_ids.end() ? std::stoll(id) : known->second;
  };
  for (int64_t i = 0; i < test.dataset->size(); ++i) {
    const auto& record = test.dataset->record(i);
    const auto name =
        coco ? record.image.lexically_relative(test.options.test.images) : record.image.filename();
    images.push_back(
        {.image_id = coco ? id_of(record.id) : i + 1, .file_name = name.string(), .detections = {}});
  }
  return images;
}

/// What was found on the images of a test set, and why that is not all there was to find.
struct Found {
  std::vector<ImageDetections> images;
  std::vector<std::string> incomplete;
};

/// What `find` finds on every image; nothing on one that cannot be decoded, if the policy bears that. None at
/// all when `stop` says so.
template <class Find>
std::optional<Found> find_all(const TestSet& test, Find find, const std::function<bool()>& stop) {
  const auto start = std::chrono::steady_clock::now();
  const auto& dataset = *test.dataset;
  Found found{.images = all_images(test), .incomplete = {}};
  data::Problems problems;
  int64_t bad = 0;
  const ProgressLine line("scoring");
  const int64_t workers = test.options.workers;
  data::ReadAhead<at::Tensor> images(workers, std::max<int64_t>(workers, 1));
  images.start(0, dataset.size(), [&](int64_t i) { return data::checked_image(dataset, i); });
  for (int64_t i = 0; i < dataset.size(); ++i) {
    if (stop()) return std::nullopt;
    line.show(i, dataset.size());
    try {
      found.images[static_cast<size_t>(i)].detections = to_list(find(*images.next(), dataset.record(i)));
    } catch (const DataError& error) {
      if (test.options.bad_images == data::Policy::stop) throw;
      problems.warn("an image that cannot be used, scored as if nothing was found on it", error.what());
      ++bad;
    } catch (const std::exception& error) {
      if (!is_out_of_memory(error)) throw;
      throw MemoryError(fmt::format("memory ran out on {}: lower data.min_size and data.max_size",
                                    dataset.record(i).image.string()));
    }
  }
  problems.settle("evaluation");
  if (bad > 0) found.incomplete.push_back(fmt::format("{} images cannot be decoded", bad));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  log::info(fmt::format("scored {} images, {:.2f} s an image", dataset.size(),
                        seconds.count() / static_cast<double>(dataset.size())));
  return found;
}

/// The images of a data set and what was found on them, as VOC's evaluation takes them.
std::vector<eval::ImageResult> image_results(const data::Dataset& dataset,
                                             const std::vector<ImageDetections>& images) {
  std::vector<eval::ImageResult> results;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    auto& result = results.emplace_back();
    for (const auto& object : dataset.record(i).objects) {
      result.truths.push_back({.box = object.box, .label = object.label, .difficult = object.ignore});
    }
    result.detections = images[static_cast<size_t>(i)].detections;
  }
  return results;
}

/// Truths of classes that were not chosen are left out, or become those of the class that they are merged
/// into.
void settle_other_classes(const TestSet& test, eval::CocoAnnotations& annotations) {
  const auto& categories = test.dataset->categories();
  const auto& other = test.options.other_classes;
  const auto is_chosen = [&](const auto& truth) {
    return std::ranges::find(categories, truth.category_id, &Category::id) != categories.end();
  };
  if (other.kind == data::OtherClasses::Kind::merge) {
    const auto into = std::ranges::find(categories, other.into, &Category::name);
    for (auto& truth : annotations.truths) {
      if (!is_chosen(truth) && into != categories.end()) truth.category_id = into->id;
    }
  }
  std::erase_if(annotations.truths, [&](const auto& truth) { return !is_chosen(truth); });
}

/// The COCO file of the test set, areas of outlines included, with the images that were looked at. Returns
/// the number of the others, too.
std::pair<eval::CocoAnnotations, int64_t> annotations_of_file(const TestSet& test,
                                                              const std::vector<ImageDetections>& images) {
  std::unordered_set<int64_t> ids;
  for (const auto& image : images) ids.insert(image.image_id);
  const auto left_out = [&](int64_t id) { return !ids.contains(id); };
  auto annotations = to_annotations(file_of(test));
  const auto others =
      std::erase_if(annotations.images, [&](const auto& image) { return left_out(image.id); });
  std::erase_if(annotations.truths, [&](const auto& truth) { return left_out(truth.image_id); });
  settle_other_classes(test, annotations);
  return {std::move(annotations), static_cast<int64_t>(others)};
}

eval::CocoAnnotations annotations_of_records(const data::Dataset& dataset) {
  const auto& categories = dataset.categories();
  eval::CocoAnnotations annotations;
  auto& truths = annotations.truths;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const auto& record = dataset.record(i);
    annotations.images.push_back({i + 1, record.image.filename().string(), record.size});
    for (const auto& [box, label, ignore] : record.objects) {
      truths.push_back({.image_id = i + 1,
                        .category_id = categories[static_cast<size_t>(label - 1)].id,
                        .box = {box.x1, box.y1, box.width(), box.height()},
                        .area = double{box.width()} * box.height(),
                        .crowd = ignore,
                        .id = std::ssize(truths) + 1});
    }
  }
  return annotations;
}

/// Why scores of a test set are not those of all of it, as far as its options say.
std::vector<std::string> limited(const TestSet& test) {
  std::vector<std::string> reasons;
  if (const int64_t limit = test.options.test.limit; limit != 0)
    reasons.push_back(fmt::format("data.test.limit: of the first {} images alone", limit));
  if (test.images_left_out > 0) {
    reasons.push_back(fmt::format("bad_images=skip: {} of {} images are left out", test.images_left_out,
                                  test.dataset->size() + test.images_left_out));
  }
  return reasons;
}

eval::Score score_of(const Found& found, const TestSet& test, const EvalOptions& options,
                     const eval::ScoreOptions& score_options) {
  const auto input = [&](const eval::CocoInputOptions& input_options) {
    auto input = coco_input(test, found.images, input_options);
    std::ranges::copy(found.incomplete, std::back_inserter(input.incomparable));
    return input;
  };
  if (options.metric == EvalOptions::Metric::coco) {
    return eval::coco_score(input({.max_detections = score_options.max_detections}), score_options);
  }
  if (options.metric == EvalOptions::Metric::proposals)
    return eval::proposal_score(input({.by_category = false}));
  auto reasons = limited(test);
  std::ranges::copy(found.incomplete, std::back_inserter(reasons));
  auto score = eval::voc_score(image_results(*test.dataset, found.images), test.dataset->categories(),
                               options.voc, std::move(reasons));
  if (score_options.errors) eval::add_errors(score, input({}));
  return score;
}

void warn_of_learnt_images(const data::DataOptions& data, const TestSet& test) {
  if (!data.train.sources.empty()) return;
  const auto& train = data.train;
  const bool is_other = !train.split.empty() && train.split != test.options.test.split;
  if (is_other) return;  // without a look at the folder
  const auto learnt = data::located(data, train);
  if (data::formats().at(learnt.options.type).open) return;  // which knows its parts alone
  const auto& scored = test.options.test;
  if (learnt.split.annotations == scored.annotations && learnt.split.split == scored.split) {
    log::warn(
        "the part that is scored is the one that is learnt: scores say little of other images; rcnn data "
        "split "
        "parts a data set");
  }
}

}  // namespace

TestSet open_test_set(data::DataOptions options, const std::vector<Category>& categories) {
  // Where nobody chose classes, a class of the test part alone stops nothing: it is told, and never found.
  if (options.classes.empty()) options.other_classes = {.kind = data::OtherClasses::Kind::ignore};
  options.classes.clear();
  for (const auto& category : categories) options.classes.push_back(category.name);
  auto part = data::located(options, options.test);
  auto opened = data::open_counting(part.options, part.split);
  part.options.test = std::move(part.split);
  return {std::move(part.options), std::move(opened.dataset), opened.images_left_out};
}

bool has_proposals(const TestSet& test) {
  return test.dataset->size() == 0 || test.dataset->record(0).proposals.has_value();
}

void search_missing_proposals(TestSet& test, const TensorDetector& detector) {
  if (!detector.needs_proposals() || has_proposals(test)) return;
  const data::SearchWorkersOptions options;
  log::info(
      fmt::format("no file of proposals: Selective Search ({}) makes them now; rcnn propose keeps them in "
                  "a file",
                  options.search.word()));
  const ProgressLine line("proposing");
  test.dataset = with_searched_proposals(test.dataset, options, kNeverStop,
                                         [&](int64_t done, int64_t total) { line.show(done, total); });
}

EvalOptions EvalOptions::from(const config::Node& node, const data::DataOptions& data,
                              const nn::DetectionModelImpl& model) {
  const bool is_coco = !data.test.annotations.empty() || data.type == "coco";
  EvalOptions options{.metric = model.finds_proposals() ? Metric::proposals
                                : is_coco               ? Metric::coco
                                                        : Metric::voc,
                      .voc = {},
                      .scoring = {}};
  node.read("metric", options.metric,
            {{"voc", Metric::voc}, {"coco", Metric::coco}, {"proposals", Metric::proposals}});
  const bool of_proposals = options.metric == Metric::proposals;
  if (model.finds_proposals() && !of_proposals)
    throw node.error("metric", "must be proposals: that is what the model finds, and they have no classes");
  if (model.needs_proposals() && of_proposals)
    throw node.error("metric", "must be voc or coco: the model makes no proposals, it is given them");
  node.read("rule", options.voc.rule, {{"area", eval::VocRule::area}, {"points11", eval::VocRule::points11}});
  node.read("iou_threshold", options.voc.iou_threshold, {.min = 0, .max = 1});
  options.scoring = train::ScoringOptions::from(node);
  node.finish();
  return options;
}

void check_best(const EvalOptions& options, const TestSet& test) {
  const auto& name = options.scoring.best;
  if (name.empty()) return;
  const auto of_nothing = score_of({.images = all_images(test), .incomplete = {}}, test, options, {});
  if (!std::isfinite(options.scoring.deciding(of_nothing.flat()))) {
    throw ConfigError(fmt::format("eval.best: {} has no value: the test data have nothing of it", name));
  }
}

Scoring scoring_of(const train::Training& training) {
  const auto root = training.described.config.root();
  const auto model = nn::as_detection_model(training.described.model, root.child("model"));
  Scoring scoring{.options = EvalOptions::from(root.child("eval"), training.data, *model),
                  .test = open_test_set(training.data, training.dataset->categories())};
  if (model->needs_proposals() && !has_proposals(scoring.test)) {
    throw root.child("data").child("test").error(
        "proposals",
        "wanted: the model is scored on images with proposals; rcnn propose makes a file of them");
  }
  check_best(scoring.options, scoring.test);
  warn_of_learnt_images(training.data, scoring.test);
  return scoring;
}

std::optional<Evaluation> evaluate(const TensorDetector& detector, const TestSet& test,
                                   const EvalOptions& options, const eval::ScoreOptions& score_options,
                                   const std::function<bool()>& stop) {
  const auto find = [&](const at::Tensor& image, const data::Record& record) {
    if (options.metric == EvalOptions::Metric::proposals) return detector.proposals(image);
    if (!detector.needs_proposals()) return detector.detect(image);
    const auto proposals = data::to_tensor(record.proposals.value());
    return detector.detect(std::span(&image, 1), std::span(&proposals, 1)).front();
  };
  auto found = find_all(test, find, stop);
  if (!found) return std::nullopt;
  auto score = score_of(*found, test, options, score_options);
  return Evaluation{.score = std::move(score), .images = std::move(found->images)};
}

eval::Score stored_proposal_score(const TestSet& test) {
  const auto& dataset = *test.dataset;
  if (dataset.categories().empty()) throw DataError("there is no object that proposals could cover");
  Found found{.images = all_images(test), .incomplete = {}};
  for (int64_t i = 0; i < dataset.size(); ++i) {
    auto& detections = found.images[static_cast<size_t>(i)].detections;
    for (const auto& box : dataset.record(i).proposals.value()) {  // best first
      detections.push_back({.box = box, .score = -static_cast<float>(detections.size()), .label = 1});
    }
  }
  return score_of(found, test, {.metric = EvalOptions::Metric::proposals, .voc = {}, .scoring = {}}, {});
}

eval::CocoInput coco_input(const TestSet& test, const std::vector<ImageDetections>& images,
                           const eval::CocoInputOptions& options) {
  const auto& dataset = test.dataset;
  const auto& categories = dataset->categories();
  auto incomparable = limited(test);
  eval::CocoAnnotations annotations;
  if (is_coco(test)) {
    int64_t others = 0;
    std::tie(annotations, others) = annotations_of_file(test, images);
    if (others > 0) {
      incomparable = {fmt::format("{} of {} images of the annotations are left out", others,
                                  others + std::ssize(annotations.images))};
    }
  } else {
    annotations = annotations_of_records(*dataset);
  }
  annotations.categories = categories;
  eval::CocoResults results;
  for (const auto& image : images) {
    for (const auto& [box, score, label] : image.detections) {
      results.detections.push_back({.image_id = image.image_id,
                                    .category_id = categories[static_cast<size_t>(label - 1)].id,
                                    .box = {box.x1, box.y1, box.width(), box.height()},
                                    .score = score});
    }
  }
  auto input = eval::coco_input(std::move(annotations), std::move(results), options);
  std::ranges::move(incomparable, std::back_inserter(input.incomparable));
  return input;
}

}  // namespace rcnn::tools
