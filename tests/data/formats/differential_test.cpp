// A random set is written in each format by writers of this test alone, as the tools write it, and read back.

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/ops/full.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/dataset.h>
#include <rcnn/data/images/image.h>
#include <rcnn/data/options.h>
#include <rcnn/data/tools/locate.h>

#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct SetObject {
  std::string class_name;
  double x1, y1, x2, y2;  // hundredths
};

struct SetImage {
  std::string name;  // without ".png"
  ImageSize size;
  std::vector<SetObject> objects = {};
};

using Set = std::vector<SetImage>;

/// One image at least has an object.
class Generator {
 public:
  explicit Generator(uint32_t seed) : random_(seed) {}

  Set set() {
    static const std::vector<std::string> kClasses = {"dog",   "red car",   "K\xc3\xbche", "\xe7\x8c\xab",
                                                      "a,b;c", "x & y <1>", "5\" screen",  "it's"};
    std::vector<std::string> classes;
    std::sample(kClasses.begin(), kClasses.end(), std::back_inserter(classes), upto(1, 4), random_);
    Set images(static_cast<size_t>(upto(1, 6)));
    std::set<std::string> names;
    for (auto& image : images) {
      do image.name = name();
      while (!names.insert(image.name).second);
      image.size = {upto(10, 90), upto(10, 90)};
      const int64_t count = &image == &images.front() ? upto(1, 3) : upto(0, 4);
      for (int64_t i = 0; i < count; ++i) image.objects.push_back(object(classes, image.size));
    }
    return images;
  }

 private:
  int64_t upto(int64_t least, int64_t most) { return std::uniform_int_distribution(least, most)(random_); }

  std::string name() {
    static const std::vector<std::string> kPieces = {"a",        "b7",
                                                     "-",        "_",
                                                     " ",        ".",
                                                     "\xc3\xbc", "\xe7\x8c\xab",
                                                     "(1)",      ",",
                                                     "&",        "'",
                                                     "0",        "\xf0\x9f\x98\x80",
                                                     "#",        "+"};
    std::string text = "i";
    for (int64_t i = upto(0, 6); i > 0; --i)
      text += kPieces[static_cast<size_t>(upto(0, std::ssize(kPieces) - 1))];
    return text + "z" + std::to_string(upto(0, 99));
  }

  SetObject object(const std::vector<std::string>& classes, ImageSize size) {
    const auto side = [&](int64_t length) {  // two ends, at least a pixel apart
      const int64_t begin = upto(0, 100 * (length - 1)), end = upto(begin + 100, 100 * length);
      return std::pair(static_cast<double>(begin) / 100, static_cast<double>(end) / 100);
    };
    const auto [x1, x2] = side(size.width);
    const auto [y1, y2] = side(size.height);
    return {classes[static_cast<size_t>(upto(0, std::ssize(classes) - 1))], x1, y1, x2, y2};
  }

  std::mt19937 random_;
};

std::vector<std::string> class_names(const Set& set) {
  std::set<std::string> names;
  for (const auto& image : set) {
    for (const auto& object : image.objects) names.insert(object.class_name);
  }
  return {names.begin(), names.end()};
}

size_t number_of(const std::vector<std::string>& names, const std::string& name) {
  return static_cast<size_t>(std::ranges::find(names, name) - names.begin());
}

std::string for_xml(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

/// As Python's csv.writer: quotes where they are needed.
std::string for_csv(const std::string& text) {
  if (text.find_first_of(",\"") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + '"';
}

/// The folder of one data set while it is written.
class Target {
 public:
  Target(const TempFolder& folder, const Set& set) : folder_(folder), set_(set) {}

  const Set& set() const { return set_; }
  void text(const fs::path& name, const std::string& content) const { folder_.write(name, content); }
  void images(const fs::path& folder) const {
    fs::create_directories(folder_.path() / folder);
    for (const auto& [name, size, objects] : set_) {
      write_image(folder_.path() / folder / (name + ".png"),
                  at::full({size.height, size.width, 3}, 90, at::kByte));
    }
  }

 private:
  const TempFolder& folder_;
  const Set& set_;
};

// The development kit's documentation: corners from 1, both inside the box.
void write_voc(const Target& target) {
  target.images("JPEGImages");
  for (const auto& [name, size, objects] : target.set()) {
    auto xml = fmt::format(
        "<annotation><filename>{}.png</filename><size><width>{}</width><height>{}</height><depth>3</depth></"
        "size>",
        for_xml(name), size.width, size.height);
    for (const auto& o : objects) {
      xml += fmt::format(
          "<object><name>{}</name><difficult>0</difficult><bndbox><xmin>{:.2f}</xmin><ymin>{:.2f}</ymin>"
          "<xmax>{:.2f}</xmax><ymax>{:.2f}</ymax></bndbox></object>",
          for_xml(o.class_name), o.x1 + 1, o.y1 + 1, o.x2, o.y2);
    }
    target.text(fmt::format("Annotations/{}.xml", name), xml + "</annotation>");
  }
}

// cocodataset.org, "Data format".
void write_coco(const Target& target) {
  target.images("images");
  const auto names = class_names(target.set());
  Json file = {{"images", Json::array()}, {"annotations", Json::array()}, {"categories", Json::array()}};
  for (size_t i = 0; i < names.size(); ++i) file["categories"].push_back({{"id", i + 1}, {"name", names[i]}});
  for (const auto& [name, size, objects] : target.set()) {
    const auto id = file["images"].size() + 1;
    file["images"].push_back(
        {{"id", id}, {"file_name", name + ".png"}, {"width", size.width}, {"height", size.height}});
    for (const auto& o : objects) {
      file["annotations"].push_back({{"id", file["annotations"].size() + 1},
                                     {"image_id", id},
                                     {"category_id", number_of(names, o.class_name) + 1},
                                     {"bbox", {o.x1, o.y1, o.x2 - o.x1, o.y2 - o.y1}},
                                     {"area", (o.x2 - o.x1) * (o.y2 - o.y1)},
                                     {"iscrowd", 0}});
    }
  }
  target.text("annotations/instances_all.json", file.dump());
}

// docs.ultralytics.com, "Object detection datasets": class, centre, width and height as shares.
void write_yolo(const Target& target) {
  target.images("images/train");
  const auto names = class_names(target.set());
  std::string yaml = "path: .\ntrain: images/train\nval: images/train\nnames:\n";
  for (size_t i = 0; i < names.size(); ++i) yaml += fmt::format("  {}: {}\n", i, Json(names[i]).dump());
  target.text("data.yaml", yaml);
  for (const auto& [name, size, objects] : target.set()) {
    std::string lines;
    const auto w = static_cast<double>(size.width), h = static_cast<double>(size.height);
    for (const auto& o : objects) {
      lines +=
          fmt::format("{} {:.10f} {:.10f} {:.10f} {:.10f}\n", number_of(names, o.class_name),
                      (o.x1 + o.x2) / 2 / w, (o.y1 + o.y2) / 2 / h, (o.x2 - o.x1) / w, (o.y2 - o.y1) / h);
    }
    target.text(fmt::format("labels/train/{}.txt", name), lines);
  }
}

// wkentaro/labelme, labelme/label_file.py: two corners of a rectangle, the file beside its image.
void write_labelme(const Target& target) {
  target.images("");
  for (const auto& [name, size, objects] : target.set()) {
    Json file = {{"version", "5.5.0"},         {"flags", Json::object()}, {"shapes", Json::array()},
                 {"imagePath", name + ".png"}, {"imageData", nullptr},    {"imageHeight", size.height},
                 {"imageWidth", size.width}};
    for (const auto& o : objects) {
      file["shapes"].push_back({{"label", o.class_name},
                                {"points", {{o.x2, o.y1}, {o.x1, o.y2}}},
                                {"group_id", nullptr},
                                {"description", ""},
                                {"shape_type", "rectangle"},
                                {"flags", Json::object()}});
    }
    target.text(name + ".json", file.dump(2));
  }
}

// VGG Image Annotator 2, "Export annotations (as json)".
void write_via(const Target& target) {
  target.images("");
  Json file = Json::object();
  for (const auto& [name, size, objects] : target.set()) {
    Json entry = {{"filename", name + ".png"},
                  {"size", 1000},
                  {"regions", Json::array()},
                  {"file_attributes", Json::object()}};
    for (const auto& o : objects) {
      entry["regions"].push_back(
          {{"shape_attributes",
            {{"name", "rect"}, {"x", o.x1}, {"y", o.y1}, {"width", o.x2 - o.x1}, {"height", o.y2 - o.y1}}},
           {"region_attributes", {{"class", o.class_name}}}});
    }
    file[name + ".png1000"] = entry;
  }
  target.text("via_export_json.json", file.dump());
}

// docs.cvat.ai, "XML annotation format", version 1.1, for images.
void write_cvat(const Target& target) {
  target.images("images");
  std::string xml =
      "<?xml version=\"1.0\" "
      "encoding=\"utf-8\"?>\n<annotations>\n<version>1.1</version>\n<meta><task><labels>";
  for (const auto& name : class_names(target.set()))
    xml += fmt::format("<label><name>{}</name></label>", for_xml(name));
  xml += "</labels></task></meta>\n";
  int64_t id = 0;
  for (const auto& [name, size, objects] : target.set()) {
    xml += fmt::format("<image id=\"{}\" name=\"{}.png\" width=\"{}\" height=\"{}\">\n", id++, for_xml(name),
                       size.width, size.height);
    for (const auto& o : objects) {
      xml += fmt::format(
          "<box label=\"{}\" source=\"manual\" occluded=\"0\" xtl=\"{:.2f}\" ytl=\"{:.2f}\" xbr=\"{:.2f}\" "
          "ybr=\"{:.2f}\" z_order=\"0\"></box>\n",
          for_xml(o.class_name), o.x1, o.y1, o.x2, o.y2);
    }
    xml += "</image>\n";
  }
  target.text("annotations.xml", xml + "</annotations>\n");
}

// datitran/raccoon_dataset, xml_to_csv.py; with decimals, which TensorFlow's own scripts take.
void write_tensorflow(const Target& target) {
  target.images("train");
  std::string table = "filename,width,height,class,xmin,ymin,xmax,ymax\n";
  for (const auto& [name, size, objects] : target.set()) {
    for (const auto& o : objects) {
      table += fmt::format("{},{},{},{},{:.2f},{:.2f},{:.2f},{:.2f}\n", for_csv(name + ".png"), size.width,
                           size.height, for_csv(o.class_name), o.x1, o.y1, o.x2, o.y2);
    }
  }
  target.text("train_labels.csv", table);
}

// fizyr/keras-retinanet, README, "CSV datasets".
void write_retinanet(const Target& target) {
  target.images("images");
  std::string table, classes;
  const auto names = class_names(target.set());
  for (size_t i = 0; i < names.size(); ++i) classes += fmt::format("{},{}\n", for_csv(names[i]), i);
  for (const auto& [name, size, objects] : target.set()) {
    const auto file = for_csv("images/" + name + ".png");
    if (objects.empty()) table += file + ",,,,,\n";
    for (const auto& o : objects)
      table += fmt::format("{},{:.2f},{:.2f},{:.2f},{:.2f},{}\n", file, o.x1, o.y1, o.x2, o.y2,
                           for_csv(o.class_name));
  }
  target.text("annotations.csv", table);
  target.text("class_mapping.csv", classes);
}

// storage.googleapis.com/openimages, "Data Formats": boxes and class names.
void write_open_images(const Target& target) {
  target.images("train");
  const auto names = class_names(target.set());
  std::string classes, table =
                           "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,"
                           "IsGroupOf,IsDepiction,IsInside\n";
  for (size_t i = 0; i < names.size(); ++i) classes += fmt::format("/m/0{},{}\n", i, for_csv(names[i]));
  for (const auto& [name, size, objects] : target.set()) {
    const auto w = static_cast<double>(size.width), h = static_cast<double>(size.height);
    for (const auto& o : objects) {
      table += fmt::format("{},xclick,/m/0{},1,{:.10f},{:.10f},{:.10f},{:.10f},0,0,0,0,0\n", for_csv(name),
                           number_of(names, o.class_name), o.x1 / w, o.x2 / w, o.y1 / h, o.y2 / h);
    }
  }
  target.text("train-annotations-bbox.csv", table);
  target.text("class-descriptions-boxable.csv", classes);
}

struct Writer {
  const char* name;
  const char* type;  // that the folder is recognised as
  void (*write)(const Target& target);
  bool holds_empty = true;  // images without objects
};

constexpr Writer kWriters[] = {{"VOC", "voc", write_voc},
                               {"COCO", "coco", write_coco},
                               {"YOLO", "yolo", write_yolo},
                               {"LabelMe", "labelme", write_labelme},
                               {"VIA", "via", write_via},
                               {"CVAT", "cvat", write_cvat},
                               {"TensorFlow's table", "csv", write_tensorflow, false},
                               {"RetinaNet's table", "csv", write_retinanet},
                               {"Open Images", "open_images", write_open_images, false}};

void expect_set(const Dataset& dataset, const Set& set, bool holds_empty) {
  std::map<std::string, const Record*> records;
  for (int64_t i = 0; i < dataset.size(); ++i)
    records.emplace(dataset.record(i).image.filename().string(), &dataset.record(i));
  size_t expected = 0;
  for (const auto& image : set) {
    if (image.objects.empty() && !holds_empty) continue;
    ++expected;
    SCOPED_TRACE(image.name);
    const auto found = records.find(image.name + ".png");
    ASSERT_NE(found, records.end());
    const auto& record = *found->second;
    EXPECT_EQ(record.size, image.size);
    ASSERT_EQ(record.objects.size(), image.objects.size());
    for (size_t i = 0; i < image.objects.size(); ++i) {
      const auto& object = record.objects[i];
      const auto& wanted = image.objects[i];
      constexpr double kRounding = 1e-4;  // shares of ten decimals, boxes of 32 bits
      EXPECT_EQ(dataset.categories().at(static_cast<size_t>(object.label - 1)).name, wanted.class_name);
      EXPECT_NEAR(object.box.x1, wanted.x1, kRounding);
      EXPECT_NEAR(object.box.y1, wanted.y1, kRounding);
      EXPECT_NEAR(object.box.x2, wanted.x2, kRounding);
      EXPECT_NEAR(object.box.y2, wanted.y2, kRounding);
      EXPECT_FALSE(object.ignore);
    }
  }
  EXPECT_EQ(records.size(), expected);
}

TEST(Formats, ARandomSetIsReadAlikeInEachFormat) {
  const uint32_t seed = std::random_device()();
  Generator generator(seed);
  for (int round = 0; round < 8; ++round) {
    const auto set = generator.set();
    for (const auto& writer : kWriters) {
      SCOPED_TRACE(fmt::format("seed {}, round {}: {}", seed, round, writer.name));
      const TempFolder folder;
      writer.write(Target(folder, set));
      Problems problems;
      std::vector<DatasetPart> parts;
      ASSERT_NO_THROW(parts = locate(folder.path()));
      EXPECT_EQ(parts.front().options.type, writer.type);
      std::shared_ptr<Dataset> dataset;
      ASSERT_NO_THROW(dataset = open(parts.front().options, parts.front().split, problems));
      EXPECT_EQ(problems.text(Severity::error), "");
      expect_set(*dataset, set, writer.holds_empty);
    }
  }
}

}  // namespace
}  // namespace rcnn::data
