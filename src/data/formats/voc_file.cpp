#include <algorithm>
#include <cmath>
#include <string_view>

#include <pugixml.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/formats/voc_file.h>
#include <rcnn/io/files/atomic_file.h>

#include "text.h"
#include "text_file.h"

namespace rcnn::data {
namespace {

constexpr std::array kCorners = {"xmin", "ymin", "xmax", "ymax"};

std::optional<double> finite(std::string_view text) {
  const auto value = number<double>(text);
  return value && std::isfinite(*value) ? value : std::nullopt;
}

class VocFileReader {
 public:
  VocFileReader(const std::string& name, Problems& problems) : name_(name), problems_(problems) {}

  std::optional<VocFile> read(const std::filesystem::path& file) {
    constexpr size_t kLargest = 64'000'000;
    std::string text;
    try {
      text = read_text_file(file, kLargest);
    } catch (const TextFileError& error) {
      problems_.error("an annotation file that cannot be read", fmt::format("{} ({})", name_, error.what()));
      return std::nullopt;
    }
    pugi::xml_document document;
    const auto result =
        document.load_buffer(text.data(), text.size(), pugi::parse_default | pugi::parse_doctype);
    if (!result) {
      const auto place = std::min<std::ptrdiff_t>(result.offset, std::ssize(text));
      const auto line = std::count(text.begin(), text.begin() + place, '\n') + 1;
      problems_.error("no valid XML", fmt::format("{} (line {}: {})", name_, line, result.description()));
      return std::nullopt;
    }
    const auto is_doctype = [](const pugi::xml_node& node) { return node.type() == pugi::node_doctype; };
    if (document.find_child(is_doctype)) {
      problems_.error("a DOCTYPE, which VOC files do not have; remove it", name_);
      return std::nullopt;
    }
    const pugi::xml_node annotation = document.child("annotation");
    if (!annotation) {
      problems_.error("no element <annotation>", name_);
      return std::nullopt;
    }
    VocFile content{.file_name = std::string(trimmed(annotation.child_value("filename"))),
                    .id = number<int64_t>(trimmed(annotation.child_value("id"))),
                    .size = read_size(annotation.child("size"))};
    int64_t position = 0;
    for (const pugi::xml_node& node : annotation.children("object")) {
      if (auto object = read_object(node, ++position)) content.objects.push_back(std::move(*object));
    }
    return content;
  }

 private:
  std::optional<ImageSize> read_size(const pugi::xml_node& node) {
    if (!node) return std::nullopt;
    const auto width = finite(trimmed(node.child_value("width")));
    const auto height = finite(trimmed(node.child_value("height")));
    if (!width || !height) {
      problems_.error("<size> needs the numbers <width> and <height>", name_);
      return std::nullopt;
    }
    if (*width == 0 || *height == 0) return std::nullopt;
    return ImageSize{.height = std::lround(*height), .width = std::lround(*width)};
  }

  std::optional<VocObject> read_object(const pugi::xml_node& node, int64_t position) {
    const std::string where = fmt::format("{} object {}", name_, position);
    VocObject object{.name = std::string(trimmed(node.child_value("name"))), .position = position};
    if (object.name.empty()) {
      problems_.error("an object has no <name>", where);
      return std::nullopt;
    }
    for (size_t i = 0; i < kCorners.size(); ++i) {
      const std::string_view text = trimmed(node.child("bndbox").child_value(kCorners[i]));
      const auto value = finite(text);
      if (!value) {
        problems_.error("<bndbox> needs the numbers <xmin>, <ymin>, <xmax> and <ymax>",
                        fmt::format("{} ({} is \"{}\")", where, kCorners[i], text));
        return std::nullopt;
      }
      object.corners[i] = *value;
    }
    for (const pugi::xml_node& child : node.children()) {
      const std::string_view key = child.name(), text = trimmed(child.child_value());
      if (key == "name" || key == "bndbox") continue;
      if (child.first_child().type() == pugi::node_element) {
        object.parts = true;
      } else if (key != "difficult") {
        object.others.emplace_back(key, text);
      } else if (!text.empty() && text != "0" && text != "1") {
        problems_.error("<difficult> is neither 0 nor 1", fmt::format("{} (\"{}\")", where, text));
        return std::nullopt;
      } else {
        object.difficult = text == "1";
      }
    }
    return object;
  }

  const std::string& name_;
  Problems& problems_;
};

void append(pugi::xml_node node, const char* name, const std::string& text) {
  node.append_child(name).text() = text.c_str();
}

}  // namespace

std::optional<VocFile> read_voc_file(const std::filesystem::path& file, const std::string& name,
                                     Problems& problems) {
  return VocFileReader(name, problems).read(file);
}

void write_voc_file(const std::filesystem::path& file, const VocFile& content) {
  pugi::xml_document document;
  auto annotation = document.append_child("annotation");
  append(annotation, "filename", content.file_name);
  if (content.id) append(annotation, "id", std::to_string(*content.id));
  if (content.size) {
    auto size = annotation.append_child("size");
    append(size, "width", std::to_string(content.size->width));
    append(size, "height", std::to_string(content.size->height));
    append(size, "depth", "3");
  }
  for (const VocObject& object : content.objects) {
    auto node = annotation.append_child("object");
    append(node, "name", object.name);
    for (const auto& [key, text] : object.others) append(node, key.c_str(), text);
    append(node, "difficult", object.difficult ? "1" : "0");
    auto box = node.append_child("bndbox");
    for (size_t i = 0; i < kCorners.size(); ++i)
      append(box, kCorners[i], fmt::format("{}", object.corners[i]));
  }
  struct Writer : pugi::xml_writer {
    std::string text;
    void write(const void* bytes, size_t size) override {
      text.append(static_cast<const char*>(bytes), size);
    }
  } xml;
  document.save(xml, "  ", pugi::format_indent | pugi::format_no_declaration);
  io::write_atomically(file, xml.text);
}

}  // namespace rcnn::data
