#include "data/proposals/pickle_proposals.h"

#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include <spdlog/fmt/ranges.h>

#include "data/proposals/numpy_values.h"
#include "io/pickle/pickle.h"
#include "io/pickle/pickle_arguments.h"
#include "io/pickle/pickle_writer.h"
#include "io/refusal.h"
#include "text.h"
#include "utf8.h"

namespace rcnn::data {
namespace {

using io::Refusal;
using io::pickle::get;
using io::pickle::Value;
using io::pickle::Values;
using ArrayPointer = io::pickle::Array*;

/// Python's dicts keep the last of equal keys.
const Value* last_value(const io::pickle::Dict& dict, std::string_view key) {
  const Value* found = nullptr;
  for (const auto& [name, value] : dict.items) {
    if (io::pickle::bytes_of(*name) == key) found = value;
  }
  return found;
}

/// How the four numbers of a row are a box.
enum class Corners { exclusive, inclusive, sizes };

Box to_box(const double* row, Corners corners) {
  const double x = row[0], y = row[1];
  double right = row[2], bottom = row[3];
  if (corners == Corners::sizes) {
    right += x;
    bottom += y;
  } else if (corners == Corners::inclusive) {
    right += 1;
    bottom += 1;
  }
  return {static_cast<float>(x), static_cast<float>(y), static_cast<float>(right),
          static_cast<float>(bottom)};
}

class PickleProposalReader {
 public:
  PickleProposalReader(size_t file_size, Problems& problems) : allowance_(file_size), problems_(problems) {}

  ProposalList read(const Value& root) {
    if (const auto* dict = get<io::pickle::Dict>(root)) return read_dict(*dict);
    if (const auto* items = io::pickle::items_of(root)) {
      ProposalList list{.has_ids = false};
      for (size_t i = 0; i < items->size(); ++i)
        list.images.push_back({.boxes = read_boxes(*(*items)[i], Corners::inclusive, i)});
      return list;
    }
    throw no_proposals();
  }

 private:
  static Refusal no_proposals() {
    return Refusal(
        "its pickle holds no proposals: a dict of detectron2's or Detectron's with \"ids\", \"boxes\" and "
        "\"objectness_logits\" or \"scores\", or a list of arrays [P, 4], is expected");
  }

  ProposalList read_dict(const io::pickle::Dict& dict) {
    const auto find = [&](std::string_view name, std::string_view other) {
      const Value* const value = last_value(dict, name);
      return value != nullptr || other.empty() ? value : last_value(dict, other);
    };
    const Value* const boxes = find("boxes", "");
    if (boxes == nullptr) throw no_proposals();
    const Value* const ids = find("ids", "indexes");
    if (ids == nullptr) throw Refusal("its dict has \"boxes\" and no \"ids\"");
    const Value* const scores = find("objectness_logits", "scores");
    const bool is_detectron = find("cfg", "indexes") != nullptr;
    const auto corners = is_detectron ? Corners::inclusive : corners_of(find("bbox_mode", ""));

    ProposalList list;
    for (auto& id : texts_of(*ids)) list.images.push_back({.id = std::move(id)});
    const auto& box_lists = need_list(*boxes, "boxes", list.images.size());
    const Values* score_lists =
        scores == nullptr || get<io::pickle::None>(*scores) != nullptr
            ? nullptr
            : &need_list(*scores, "objectness_logits (or scores)", list.images.size());
    for (size_t i = 0; i < list.images.size(); ++i) {
      auto& image = list.images[i];
      image.boxes = read_boxes(*box_lists[i], corners, i);
      if (score_lists != nullptr) read_scores(*(*score_lists)[i], image, i);
    }
    return list;
  }

  static Corners corners_of(const Value* mode) {
    if (mode == nullptr) return Corners::exclusive;
    std::optional<int64_t> number;
    if (const auto* integer = get<int64_t>(*mode)) number = *integer;
    if (const auto* scalar = get<ArrayPointer>(*mode)) {
      const auto values = numpy_numbers(**scalar).values;
      if (values.size() == 1) number = static_cast<int64_t>(values[0]);
    }
    if (number == 0) return Corners::exclusive;
    if (number == 1) return Corners::sizes;
    throw Refusal(
        "its bbox_mode is neither 0 (x1, y1, x2, y2) nor 1 (x, y, width, height): save "
        "bbox_mode=BoxMode.XYXY_ABS.value");
  }

  static const Values& need_list(const Value& value, std::string_view key, size_t count) {
    const auto* items = io::pickle::items_of(value);
    if (items == nullptr) throw Refusal(fmt::format("its {} are no list", key));
    if (items->size() != count)
      throw Refusal(fmt::format("it has {} ids and {} of {}", count, items->size(), key));
    return *items;
  }

  static std::vector<std::string> texts_of(const Value& ids) {
    std::vector<std::string> texts;
    if (const auto* array = get<ArrayPointer>(ids)) {
      texts = numpy_texts(**array);
    } else if (const auto* items = io::pickle::items_of(ids)) {
      for (const Value* id : *items) texts.push_back(text_of(*id, texts.size()));
    } else {
      throw Refusal("its ids are no list");
    }
    for (size_t i = 0; i < texts.size(); ++i) {
      if (!is_utf8(texts[i])) throw Refusal(fmt::format("its id {} is no UTF-8", i + 1));
    }
    return texts;
  }

  static std::string text_of(const Value& id, size_t place) {
    if (const auto* number = get<int64_t>(id)) return std::to_string(*number);
    if (const auto bytes = io::pickle::bytes_of(id)) return std::string(*bytes);
    if (const auto* scalar = get<ArrayPointer>(id)) {
      auto texts = numpy_texts(**scalar);
      if (texts.size() == 1) return std::move(texts.front());
    }
    throw Refusal(fmt::format("its id {} is neither a whole number nor a text", place + 1));
  }

  std::vector<Box> read_boxes(const Value& value, Corners corners, size_t image) {
    const auto numbers = read_numbers(value, image);
    std::vector<Box> boxes;
    if (!numbers || numbers->values.empty()) return boxes;
    if (numbers->shape.size() != 2 || numbers->shape[1] != 4) {
      wrong("boxes that are no array [P, 4]", image,
            fmt::format("it is [{}]", fmt::join(numbers->shape, ", ")));
      return boxes;
    }
    boxes.reserve(static_cast<size_t>(numbers->shape[0]));
    for (size_t i = 0; i < numbers->values.size(); i += 4)
      boxes.push_back(to_box(&numbers->values[i], corners));
    return boxes;
  }

  void read_scores(const Value& value, ImageProposals& image, size_t place) {
    const auto numbers = read_numbers(value, place);
    if (!numbers) return;
    if (numbers->values.size() != image.boxes.size()) {
      wrong("scores that are not one a box", place,
            fmt::format("{} for {} boxes", numbers->values.size(), image.boxes.size()));
      return;
    }
    for (const double score : numbers->values) image.scores.push_back(static_cast<float>(score));
  }

  /// Of an array, a number, or a list of these; nothing where it is none, which is said.
  std::optional<NumpyNumbers> read_numbers(const Value& value, size_t image) {
    try {
      return numbers_of(value, 2);
    } catch (const Refusal& refusal) {
      wrong("arrays that cannot be read", image, refusal.what());
      return std::nullopt;
    }
  }

  NumpyNumbers numbers_of(const Value& value, int depth) {
    if (const auto* integer = get<int64_t>(value)) return {.values = {static_cast<double>(*integer)}};
    if (const auto* real = get<double>(value)) return {.values = {*real}};
    if (const auto* array = get<ArrayPointer>(value)) {
      // Many values may refer to one array, each a copy here.
      if ((*array)->data.size() > allowance_) throw Refusal("its arrays are larger than the file");
      allowance_ -= (*array)->data.size();
      return numpy_numbers(**array);
    }
    const auto* items = io::pickle::items_of(value);
    if (items == nullptr || depth == 0) throw Refusal("it is neither an array nor a list of numbers");
    NumpyNumbers all{.shape = {std::ssize(*items)}};
    for (size_t i = 0; i < items->size(); ++i) {
      if (allowance_ == 0) throw Refusal("its arrays are larger than the file");
      --allowance_;
      const auto row = numbers_of(*(*items)[i], depth - 1);
      if (i == 0) all.shape.insert(all.shape.end(), row.shape.begin(), row.shape.end());
      if (!std::equal(row.shape.begin(), row.shape.end(), all.shape.begin() + 1, all.shape.end()))
        throw Refusal("its rows are of different lengths");
      all.values.insert(all.values.end(), row.values.begin(), row.values.end());
    }
    return all;
  }

  void wrong(const char* what, size_t image, const std::string& detail) {
    problems_.error(what, fmt::format("entry {} ({})", image + 1, detail));
  }

  size_t allowance_;  // bytes of arrays and items of lists that may still be read
  Problems& problems_;
};

/// Adds an array of what row(i) gives: arrays of floats of 32 or 64 bits, or, for one axis alone, of one.
template <class Row>
void add_array(io::pickle::Writer& pickle, size_t rows, const Row& row) {
  using Numbers = decltype(row(size_t{0}));
  constexpr auto kSize = sizeof(typename Numbers::value_type);
  const std::array<int64_t, 2> shape = {static_cast<int64_t>(rows), std::tuple_size_v<Numbers>};
  const size_t axes = shape[1] == 1 ? 1 : 2;
  pickle.begin_array({shape.data(), axes}, kSize == 4 ? "f4" : "f8", kSize, rows * sizeof(Numbers));
  for (size_t i = 0; i < rows; ++i) {
    const Numbers numbers = row(i);
    pickle.raw({reinterpret_cast<const char*>(numbers.data()), sizeof numbers});
  }
  pickle.end_array();
}

void add_boxes(io::pickle::Writer& pickle, const ImageProposals& image) {
  add_array(pickle, image.boxes.size(), [&](size_t i) {
    const auto& [x1, y1, x2, y2] = image.boxes[i];
    return std::array{x1, y1, x2, y2};
  });
}

/// In 64 bits, where taking a pixel away and adding it again gives the same.
void add_inclusive_boxes(io::pickle::Writer& pickle, const ImageProposals& image) {
  add_array(pickle, image.boxes.size(), [&](size_t i) {
    const auto& [x1, y1, x2, y2] = image.boxes[i];
    return std::array<double, 4>{x1, y1, double{x2} - 1, double{y2} - 1};
  });
}

void add_scores(io::pickle::Writer& pickle, const ImageProposals& image) {
  add_array(pickle, image.boxes.size(), [&](size_t i) {
    return std::array{image.scores.empty() ? -static_cast<float>(i) : image.scores[i]};
  });
}

}  // namespace

ProposalList read_pickle_proposals(const io::Memory& file, Problems& problems) {
  // An image takes some hundred instructions and, if it has proposals at all, more bytes than that.
  const auto most = io::pickle::kMostInstructions + file.size / 4;
  const auto content = io::pickle::load(file.view(), most);
  if (content.size != file.size)
    throw Refusal(fmt::format("{} bytes follow its pickle", file.size - content.size));
  return PickleProposalReader(file.size, problems).read(*content.root);
}

void write_pickle_proposals(const ProposalList& list, const std::function<void(std::string_view)>& write) {
  // Protocol 4 is the first that can hold bytes of any length as they are: protocol 2 has them as text.
  io::pickle::Writer pickle(4);
  const auto add_list = [&](const auto& add) {
    pickle.op(']').op('(');
    for (const auto& image : list.images) {
      add(image);
      write(pickle.take());
    }
    pickle.op('e');
  };
  if (!list.has_ids) {
    add_list([&](const ImageProposals& image) { add_inclusive_boxes(pickle, image); });
  } else {
    pickle.op('}').op('(').text("ids");
    add_list([&](const ImageProposals& image) {
      const auto whole = number<int64_t>(image.id);
      if (whole && std::to_string(*whole) == image.id)
        pickle.integer(*whole);
      else
        pickle.text(image.id);
    });
    pickle.text("boxes");
    add_list([&](const ImageProposals& image) { add_boxes(pickle, image); });
    pickle.text("objectness_logits");
    add_list([&](const ImageProposals& image) { add_scores(pickle, image); });
    pickle.text("bbox_mode").integer(0).op('u');
  }
  pickle.op('.');
  write(pickle.take());
}

}  // namespace rcnn::data
