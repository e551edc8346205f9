#include "score_files.h"

#include <utility>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/formats/coco/coco_file.h>
#include <rcnn/error.h>

#include "coco_files.h"
#include "max_detections.h"
#include "print_score.h"

namespace rcnn::tools {

void add_score_files(CLI::App& command, ScoreFilesArguments& arguments) {
  auto* annotations = command.add_option("--annotations", arguments.annotations,
                                         "COCO instances to score --detections against");
  auto* detections =
      command.add_option("--detections", arguments.detections, "COCO results to score, without a model");
  auto* per_class = command.add_flag("--per-class", arguments.score.per_class,
                                     "COCO's numbers by class, too (in JSON they are always there)");
  auto* errors =
      command.add_flag("--errors", arguments.score.errors,
                       "why detections are wrong: TIDE's errors and the classes that are confused");
  auto* proposals = command.add_flag(
      "--proposals", arguments.proposals,
      "score the RPN alone (or --detections whatever their class): recall of up to 2000 proposals an "
      "image; the model makes at most model.rpn.test.post_nms");
  auto* max_dets = add_max_detections(command, arguments.score.max_detections);
  command.add_flag("--json", arguments.json, "one JSON object on stdout instead of a table");
  arguments.of_proposals = proposals;
  arguments.of_classes = {per_class, errors, max_dets};
  detections->needs(annotations);
}

void check_classes_are_not_asked_for(const ScoreFilesArguments& arguments) {
  for (const auto* option : arguments.of_classes) {
    if (option->count() > 0)
      throw ConfigError(
          fmt::format("eval: proposals have no classes: give it without {}", option->get_name()));
  }
}

void check_options(const ScoreFilesArguments& arguments) {
  if (arguments.of_proposals->count() > 0) check_classes_are_not_asked_for(arguments);
}

void score_files(const ScoreFilesArguments& arguments) {
  check_options(arguments);
  if (arguments.detections.empty())
    throw ConfigError(
        "eval: --annotations: what is scored against them? --detections DT.json, or --proposal-file F");
  auto file = data::read_coco_file(arguments.annotations);
  auto annotations = to_annotations(file);
  const auto text_ids = std::move(file.text_ids);
  file = {};
  auto results = to_results(data::read_coco_results(arguments.detections, text_ids));
  const auto input = eval::coco_input(std::move(annotations), std::move(results),
                                      {.annotations = arguments.annotations.string(),
                                       .results = arguments.detections.string(),
                                       .by_category = !arguments.proposals,
                                       .max_detections = arguments.score.max_detections});
  print(arguments.proposals ? eval::proposal_score(input) : eval::coco_score(input, arguments.score),
        arguments.json);
}

}  // namespace rcnn::tools
