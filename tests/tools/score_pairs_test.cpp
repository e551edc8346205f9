// Pairs of COCO files with something wrong in them: rcnn eval and rcnn report say the same of each, and
// pycocotools, where it runs.

#include <cmath>
#include <functional>
#include <optional>
#include <random>
#include <regex>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/error.h>
#include <rcnn/eval/score.h>

#include "coco_files.h"
#include "tests/support/temp_folder.h"
#include "tests/tools/rcnn.h"

namespace rcnn::tools {
namespace {

using nlohmann::json;

constexpr uint32_t kSeed = 20261130;
constexpr const char* kNumbers[] = {"AP",  "AP50", "AP75",  "APs", "APm", "APl",
                                    "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"};

struct Pair {
  json truths, results;
};

/// What becomes of a pair that something was done to.
struct Kind {
  enum class Becomes {
    the_same,  ///< the scores of the pair as it was: joined by names
    judged,    ///< pycocotools' scores of the changed pair
    refused,
  };
  std::string name;
  Becomes becomes;
  bool warned;
  std::function<void(Pair&, std::mt19937&)> change;
};

/// A random data set whose results have ids that fit and names beside them.
Pair good_pair(std::mt19937& random) {
  const auto uniform = [&](double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random);
  };
  Pair pair{
      .truths = {{"images", json::array()}, {"annotations", json::array()}, {"categories", json::array()}},
      .results = json::array()};
  auto& [truths, results] = pair;
  const std::vector<std::string> names = {"cat", "dog", "bird"};
  for (int c = 1; c <= 3; ++c)
    truths["categories"].push_back({{"id", 3 * c}, {"name", names[size_t(c) - 1]}});
  int id = 0;
  for (int image = 1; image <= 6; ++image) {
    const auto file = fmt::format("cam{}/{:04}.png", image % 2, image / 2);
    truths["images"].push_back({{"id", 7 * image}, {"file_name", file}, {"width", 400}, {"height", 300}});
    const auto add = [&](const std::vector<double>& box, int category) {
      results.push_back({{"image_id", 7 * image},
                         {"file_name", file},
                         {"category_id", 3 * category},
                         {"category_name", names[size_t(category) - 1]},
                         {"bbox", box},
                         {"score", uniform(0.05, 1)}});
    };
    for (int object = 0; object < 5; ++object) {
      const double width = uniform(8, 150), height = uniform(8, 150);
      const std::vector<double> box{uniform(0, 390 - width), uniform(0, 290 - height), width, height};
      const int category = static_cast<int>(uniform(1, 4));
      truths["annotations"].push_back({{"id", ++id},
                                       {"image_id", 7 * image},
                                       {"category_id", 3 * category},
                                       {"bbox", box},
                                       {"area", width * height * uniform(0.5, 1)},
                                       {"iscrowd", object == 4 && image == 3 ? 1 : 0}});
      for (int near = 0; near < 2; ++near) {
        const double move = uniform(0, 6);
        add({box[0] + move, box[1] + move / 2, width, height + move / 3}, uniform(0, 1) < 0.8 ? category : 1);
      }
    }
    add({uniform(0, 200), uniform(0, 200), 50, 60}, 2);
  }
  return pair;
}

json& annotations(Pair& pair) {
  return pair.truths["annotations"];
}

/// Gives images (or categories) of the annotations other ids.
void renumber(Pair& pair, const std::string& list, const std::string& key,
              const std::function<int64_t(int64_t)>& other) {
  for (auto& entry : pair.truths[list]) entry["id"] = other(entry["id"]);
  for (auto& entry : annotations(pair)) entry[key] = other(entry[key]);
}

void drop(json& entries, std::initializer_list<const char*> keys) {
  for (auto& entry : entries) {
    for (const char* key : keys) entry.erase(key);
  }
}

void without_names(Pair& pair) {
  drop(pair.results, {"file_name", "category_name"});
}

std::string last_part(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

json& any(json& entries, std::mt19937& random) {
  return entries[random() % entries.size()];
}

std::vector<Kind> kinds() {
  using enum Kind::Becomes;
  const auto nothing = [](Pair&, std::mt19937&) {};
  const auto of_results = [](auto change) {
    return [change](Pair& pair, std::mt19937&) {
      for (auto& result : pair.results) change(result);
    };
  };
  /// The same with the ids alone.
  const auto by_id = [](std::function<void(Pair&, std::mt19937&)> change) {
    return [change](Pair& pair, std::mt19937& random) {
      without_names(pair);
      change(pair, random);
    };
  };
  const auto permuted = [](int64_t id) { return id == 7 ? 42 : id - 7; };
  const auto scale = [](json& entries) {
    for (auto& entry : entries) {
      for (auto& side : entry["bbox"]) side = side.get<double>() / 400;
    }
  };
  const auto to_corners = [](json& entries) {
    for (auto& entry : entries) {
      auto& box = entry["bbox"];
      for (size_t i : {0u, 1u}) box[i + 2] = box[i].get<double>() + box[i + 2].get<double>();
    }
  };
  return {
      {"as it should be", judged, false, nothing},
      {"without names", judged, false, by_id(nothing)},
      {"images permuted", the_same, true,
       [=](Pair& pair, std::mt19937&) { renumber(pair, "images", "image_id", permuted); }},
      {"images permuted, no names", judged, false,
       by_id([=](Pair& pair, std::mt19937&) { renumber(pair, "images", "image_id", permuted); })},
      {"results count images from 0", the_same, true,
       of_results([](json& r) { r["image_id"] = r["image_id"].get<int>() / 7 - 1; })},
      {"paths of another machine", the_same, false,
       of_results([](json& r) { r["file_name"] = "/home/me/set/" + r["file_name"].get<std::string>(); })},
      {"paths of Windows, ids from 0", the_same, true, of_results([](json& r) {
         auto name = r["file_name"].get<std::string>();
         name[4] = '\\';
         r["file_name"] = "D:\\set\\" + name;
         r["image_id"] = r["image_id"].get<int>() / 7 - 1;
       })},
      {"flat names that are there twice", the_same, false,
       of_results([](json& r) { r["file_name"] = last_part(r["file_name"]); })},
      {"flat names that are there twice, ids from 0", refused, false, of_results([](json& r) {
         r["file_name"] = last_part(r["file_name"]);
         r["image_id"] = r["image_id"].get<int>() / 7 - 1;
       })},
      {"flat names in the annotations of one camera", refused, false,
       [](Pair& pair, std::mt19937&) {
         auto& images = pair.truths["images"];
         for (size_t i = images.size(); i-- > 0;) {
           if (images[i]["file_name"].get<std::string>().starts_with("cam0")) images.erase(i);
         }
         for (auto& image : images) image["file_name"] = last_part(image["file_name"]);
       }},
      {"images that are not there", refused, false,
       by_id([](Pair& pair, std::mt19937& random) { any(pair.results, random)["image_id"] = 8; })},
      {"names that are not there", refused, false,
       [](Pair& pair, std::mt19937& random) { any(pair.results, random)["file_name"] = "z.png"; }},
      {"categories permuted", the_same, true,
       [](Pair& pair, std::mt19937&) {
         renumber(pair, "categories", "category_id", [](int64_t id) { return id == 3 ? 9 : id - 3; });
       }},
      {"categories off by one", judged, true,
       by_id(of_results([](json& r) { r["category_id"] = r["category_id"].get<int>() - 3; }))},
      {"all of category 77", refused, false, by_id(of_results([](json& r) { r["category_id"] = 77; }))},
      {"names of categories that are not there", judged, true,
       [](Pair& pair, std::mt19937&) {
         for (auto& r : pair.results) {
           if (r["category_id"] == 3) r.update({{"category_id", 77}, {"category_name", "cow"}});
         }
       }},
      {"annotation id 0", judged, true,
       by_id([](Pair& pair, std::mt19937& random) { any(annotations(pair), random)["id"] = 0; })},
      {"annotation id twice", refused, false,
       by_id([](Pair& pair, std::mt19937&) { annotations(pair)[1]["id"] = 1; })},
      {"image id twice", refused, false,
       by_id([](Pair& pair, std::mt19937&) { pair.truths["images"][1]["id"] = 7; })},
      {"category id twice", refused, false,
       by_id([](Pair& pair, std::mt19937&) { pair.truths["categories"][1]["id"] = 3; })},
      {"category name twice", judged, true,
       by_id([](Pair& pair, std::mt19937&) { pair.truths["categories"][1]["name"] = "cat"; })},
      {"annotations of images that are not listed", judged, true, by_id([](Pair& pair, std::mt19937&) {
         pair.truths["images"].erase(5);
         std::erase_if(pair.results.get_ref<json::array_t&>(), [](json& r) { return r["image_id"] == 42; });
       })},
      {"annotations of categories that are not listed", judged, true,
       by_id([](Pair& pair, std::mt19937& random) { any(annotations(pair), random)["category_id"] = 5; })},
      {"all of an image a crowd", judged, false, by_id([](Pair& pair, std::mt19937&) {
         for (auto& a : annotations(pair)) a["iscrowd"] = a["image_id"] == 7 ? 1 : 0;
       })},
      {"more results than are scored", judged, true, by_id([](Pair& pair, std::mt19937&) {
         const auto one = pair.results[0];
         for (int i = 0; i < 120; ++i) pair.results.push_back(one);
       })},
      {"more objects than are scored", judged, true, by_id([](Pair& pair, std::mt19937&) {
         const auto one = annotations(pair)[0];
         for (int i = 0; i < 120; ++i) {
           annotations(pair).push_back(one);
           annotations(pair).back()["id"] = 1000 + i;
         }
       })},
      {"boxes of no width", judged, true,
       by_id([](Pair& pair, std::mt19937& random) { any(pair.results, random)["bbox"][2] = 0; })},
      {"results in shares of the image", judged, true,
       by_id([=](Pair& pair, std::mt19937&) { scale(pair.results); })},
      {"annotations in shares of the image", judged, true,
       by_id([=](Pair& pair, std::mt19937&) { scale(annotations(pair)); })},
      {"results as corners", judged, true,
       by_id([=](Pair& pair, std::mt19937&) { to_corners(pair.results); })},
      {"annotations as corners", judged, true,
       by_id([=](Pair& pair, std::mt19937&) { to_corners(annotations(pair)); })},
      {"no results", judged, true, [](Pair& pair, std::mt19937&) { pair.results = json::array(); }},
      {"no annotations", judged, true,
       by_id([](Pair& pair, std::mt19937&) { annotations(pair) = json::array(); })},
      {"no images", refused, false, [](Pair& pair, std::mt19937&) { pair.truths["images"] = json::array(); }},
      {"no categories", refused, false,
       [](Pair& pair, std::mt19937&) { pair.truths["categories"] = json::array(); }},
      {"some results without names", judged, false,
       [](Pair& pair, std::mt19937&) { pair.results[0].erase("file_name"); }},
      {"some results without names, ids from 0", refused, false,
       [](Pair& pair, std::mt19937&) {
         for (auto& r : pair.results) r["image_id"] = r["image_id"].get<int>() / 7 - 1;
         pair.results[0].erase("file_name");
       }},
  };
}

class ScorePairs : public testing::Test {
 protected:
  /// Writes gt.json and dt.json into a folder of their own.
  std::string write(const std::string& name, const Pair& pair) const {
    folder_.write(name + "/gt.json", pair.truths.dump());
    folder_.write(name + "/dt.json", pair.results.dump());
    return folder_.path() / name;
  }

  const TempFolder folder_;
};

/// As the program does it, without starting it; nothing for a pair that is refused.
std::optional<eval::Score> score_of(const std::string& folder) {
  try {
    return eval::coco_score(eval::coco_input(to_annotations(data::read_coco_file(folder + "/gt.json")),
                                             to_results(data::read_coco_results(folder + "/dt.json")),
                                             {.annotations = "gt.json", .results = "dt.json"}));
  } catch (const DataError&) {
    return std::nullopt;
  }
}

TEST_F(ScorePairs, AreScoredAsPycocotoolsDoesOrRefused) {
  constexpr int kRounds = 4;
  SCOPED_TRACE(fmt::format("seed {}", kSeed));
  std::mt19937 random(kSeed);
  std::vector<std::string> folders, judges = {RCNN_SOURCE "/tests/oracle/score_pairs.py"};
  const auto all = kinds();
  for (int round = 0; round < kRounds; ++round) {
    for (size_t k = 0; k < all.size(); ++k) {
      const auto before = good_pair(random);
      auto after = before;
      all[k].change(after, random);
      folders.push_back(write(fmt::format("{}-{}", round, k), after));
      judges.push_back(all[k].becomes == Kind::Becomes::the_same
                           ? write(fmt::format("{}-{}-good", round, k), before)
                           : folders.back());
    }
  }
  const auto judged = run_program(RCNN_ORACLE_PYTHON, judges);
  json numbers;
  if (judged.exit_code == 0) numbers = json::parse(judged.out);
  for (size_t i = 0; i < folders.size(); ++i) {
    const auto& kind = all[i % all.size()];
    SCOPED_TRACE(kind.name);
    const auto score = score_of(folders[i]);
    EXPECT_EQ(!score, kind.becomes == Kind::Becomes::refused);
    if (!score) continue;
    EXPECT_EQ(!score->warnings.empty(), kind.warned) << testing::PrintToString(score->warnings);
    if (kind.becomes == Kind::Becomes::the_same) {
      // Categories with other ids are summed in another order.
      EXPECT_NEAR(score->value, score_of(judges[i + 1])->value, 1e-12);
    }
    if (!numbers.is_array()) continue;
    ASSERT_TRUE(numbers[i].is_array()) << numbers[i];
    for (size_t n = 0; n < std::size(kNumbers); ++n) {
      // numpy sums pairwise, which shows in the last bits.
      const auto& [name, value] = score->numbers.at(n);
      EXPECT_EQ(name, kNumbers[n]);
      EXPECT_NEAR(value, numbers[i][n].get<double>(), 1e-12) << name;
    }
  }
  if (judged.exit_code == 77) GTEST_SKIP() << "not judged: " << judged.out;
  EXPECT_EQ(judged.exit_code, 0) << judged.err;
}

/// The twelve numbers of a report's page, as they stand there; a dash for -1.
std::vector<std::string> numbers_on(const std::string& html) {
  std::vector<std::string> numbers;
  for (const char* name : kNumbers) {
    std::smatch match;
    const std::regex number(fmt::format("<dt>{}</dt><dd>([^<]*)</dd>", name));
    numbers.push_back(std::regex_search(html, match, number) ? match[1].str() : "missing");
  }
  return numbers;
}

TEST_F(ScorePairs, EvalAndReportSayTheSame) {
  SCOPED_TRACE(fmt::format("seed {}", kSeed));
  std::mt19937 random(kSeed);
  for (const auto& kind : kinds()) {
    SCOPED_TRACE(kind.name);
    auto pair = good_pair(random);
    kind.change(pair, random);
    const auto folder = write("pair", pair);
    const auto truths = folder + "/gt.json", found = folder + "/dt.json", page = folder + "/page.html";
    const auto eval = run_rcnn({"eval", "--annotations", truths, "--detections", found, "--json"});
    const auto report = run_rcnn({"report", found, "--annotations", truths, "--output", page});
    const bool refused = kind.becomes == Kind::Becomes::refused;
    EXPECT_EQ(eval.exit_code, refused ? 3 : 0) << eval.err;
    EXPECT_EQ(report.exit_code, eval.exit_code) << report.err;
    if (refused) {
      EXPECT_EQ(report.err, eval.err);
      continue;
    }
    const auto scores = json::parse(eval.out);
    std::vector<std::string> numbers;
    for (const char* name : kNumbers) {
      const auto value = scores[name].get<double>();
      numbers.push_back(value < 0 ? "–" : fmt::format("{:.3f}", value));
    }
    const auto html = file_bytes(page);
    EXPECT_EQ(numbers_on(html), numbers);
    EXPECT_NE(html.find(scores["comparable"] ? "published scores: yes" : "published scores: no"),
              std::string::npos);
    for (const std::string warning : scores["warnings"]) {
      EXPECT_THAT(eval.err, testing::HasSubstr(warning));
      EXPECT_THAT(report.err, testing::HasSubstr(warning));
    }
  }
}

}  // namespace
}  // namespace rcnn::tools
