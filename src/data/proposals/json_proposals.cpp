#include "data/proposals/json_proposals.h"

#include <charconv>
#include <iterator>
#include <optional>
#include <unordered_map>
#include <utility>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/printable.h>

#include "data/formats/coco/json_fields.h"
#include "data/formats/coco/json_file.h"
#include "data/formats/coco/list_windows.h"
#include "io/refusal.h"
#include "utf8.h"

namespace rcnn::data {
namespace {

constexpr size_t kProposalWindow = size_t{1}
                                   << 18;  // with what the parser makes of it, it stays in a core's cache
constexpr size_t kTextPiece = size_t{1} << 20;  // of a text that is written

/// The box of an image that has none: without such an entry the image would be missing.
constexpr Box kNoBox = {};

/// The whole number that a text is as it would be written: not "007".
std::optional<int64_t> plain_number(std::string_view text) {
  const auto value = number<int64_t>(text);
  return value && std::to_string(*value) == text ? value : std::nullopt;
}

class JsonProposalReader {
 public:
  explicit JsonProposalReader(Problems& problems) : problems_(problems) {}

  void read(json::object object, const JsonEntry& entry) {
    JsonId id;
    JsonBox box;
    std::optional<double> score;
    read_fields(object, entry, required("image_id", id), required("bbox", box), optional("score", score));
    if (box.wrong) throw *box.wrong;
    if (box.count == 0) throw Wrong("has no bbox");
    auto& image = image_of(id, entry);
    const auto [x, y, width, height] = box.sides;
    const Box corners = {static_cast<float>(x), static_cast<float>(y), static_cast<float>(x + width),
                         static_cast<float>(y + height)};
    if (corners == kNoBox) return;
    if (has_box_ && score.has_value() != has_scores_)
      throw Wrong(has_scores_ ? "has no score, and others have one" : "has a score, and others have none");
    has_box_ = true;
    has_scores_ = score.has_value();
    image.boxes.push_back(corners);
    if (score) image.scores.push_back(static_cast<float>(*score));
  }

  ProposalList take() {
    for (auto& image : list_.images) {
      image.boxes.shrink_to_fit();
      image.scores.shrink_to_fit();
    }
    return std::move(list_);
  }

 private:
  /// Proposals of one image stand together in most files, so that the last one is looked at first.
  ImageProposals& image_of(JsonId& id, const JsonEntry& entry) {
    if (id.kind == JsonId::Kind::text) {
      if (const auto value = plain_number(id.text)) {
        problems_.warn(kQuotedNumber, entry.where(fmt::format(".image_id (\"{}\")", id.text)));
        id.number = *value;
      } else {
        const auto [known, is_new] = by_text_.emplace(id.text, list_.images.size());
        if (is_new) list_.images.push_back({.id = std::move(id.text)});
        return list_.images[known->second];
      }
    }
    if (last_ && last_->first == id.number) return list_.images[last_->second];
    const auto [known, is_new] = by_number_.emplace(id.number, list_.images.size());
    if (is_new) list_.images.push_back({.id = std::to_string(id.number)});
    last_ = *known;
    return list_.images[known->second];
  }

  Problems& problems_;
  ProposalList list_;
  std::unordered_map<int64_t, size_t> by_number_;
  std::unordered_map<std::string, size_t> by_text_;
  std::optional<std::pair<int64_t, size_t>> last_;
  bool has_box_ = false, has_scores_ = false;  // some entry has
};

/// Nothing where the text has to be read as a whole: it is damaged, or no list that is written as most are.
std::optional<ProposalList> read_windows(const std::filesystem::path& file, Problems& problems) {
  Problems found;
  JsonProposalReader reader(found);
  JsonEntry entry("", found, Policy::stop);
  const auto read = [&](json::object object) {
    entry.next();
    try {
      reader.read(object, entry);
    } catch (const Wrong& wrong) {
      entry.error(wrong);
    }
  };
  if (!read_in_windows(file, kProposalWindow, read)) return std::nullopt;
  problems.add(found);
  return reader.take();
}

/// Writes boxes such that reading them gives the same floats: x + width, read in 64 bits and rounded to 32,
/// is x2.
class JsonProposalWriter {
 public:
  explicit JsonProposalWriter(const std::function<void(std::string_view)>& write) : write_(write) {}

  void write(const ProposalList& list) {
    text_ = "[";
    for (const auto& image : list.images) {
      const auto begin = fmt::format("{{\"image_id\":{},\"category_id\":1,\"bbox\":[", json_id(image.id));
      if (image.boxes.empty()) add(begin, kNoBox, nullptr);
      for (size_t i = 0; i < image.boxes.size(); ++i)
        add(begin, image.boxes[i], image.scores.empty() ? nullptr : &image.scores[i]);
    }
    text_ += "]\n";
    flush();
  }

 private:
  static std::string json_id(const std::string& id) {
    if (plain_number(id)) return id;
    if (!is_utf8(id)) {
      throw io::Refusal(fmt::format("image id {}: is no UTF-8, which JSON is", printable(id)));
    }
    return nlohmann::json(id).dump();
  }

  void add(std::string_view begin, const Box& box, const float* score) {
    text_.append(std::exchange(separator_, ",\n")).append(begin);
    add_corners(box);
    text_ += ']';
    if (score != nullptr) fmt::format_to(std::back_inserter(text_), ",\"score\":{}", *score);
    text_ += '}';
    if (text_.size() >= kTextPiece) flush();
  }

  void add_corners(const Box& box) {
    const double x = add_number(box.x1);
    text_ += ',';
    const double y = add_number(box.y1);
    text_ += ',';
    add_length(x, box.x2, box.x2 - box.x1);
    text_ += ',';
    add_length(y, box.y2, box.y2 - box.y1);
  }

  /// The shortest text that gives the number in 32 bits, and what it is in 64.
  double add_number(float value) {
    const size_t begin = text_.size();
    fmt::format_to(std::back_inserter(text_), "{}", value);
    double read = 0;
    std::from_chars(text_.data() + begin, text_.data() + text_.size(), read);
    return read;
  }

  void add_length(double from, float to, float length) {
    const size_t begin = text_.size();
    if (static_cast<float>(from + add_number(length)) == to) return;
    text_.resize(begin);
    fmt::format_to(std::back_inserter(text_), "{}", static_cast<double>(to) - from);
  }

  void flush() {
    write_(text_);
    text_.clear();
  }

  const std::function<void(std::string_view)>& write_;
  std::string text_;
  std::string_view separator_;
};

}  // namespace

ProposalList read_json_proposals(const std::filesystem::path& file, Problems& problems) {
  check_json_start(file);  // what is no list would be read whole in search of one
  if (auto list = read_windows(file, problems)) return std::move(*list);
  return read_json(file, [&](json::document& document) {
    json::value entries;
    if (document.type().value() != json::json_type::array ||
        document.get_value().get(entries) != simdjson::SUCCESS) {
      throw Wrong("is no list of proposals: [{\"image_id\", \"bbox\", \"score\"}, ...] is expected");
    }
    JsonProposalReader reader(problems);
    for_each(entries, "", problems, Policy::stop,
             [&](json::object object, const JsonEntry& entry) { reader.read(object, entry); });
    return reader.take();
  });
}

void write_json_proposals(const ProposalList& list, const std::function<void(std::string_view)>& write) {
  JsonProposalWriter(write).write(list);
}

}  // namespace rcnn::data
