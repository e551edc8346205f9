#include "io/pickle/pickle_arguments.h"

#include <spdlog/fmt/fmt.h>

#include "io/refusal.h"

namespace rcnn::io::pickle {
namespace {

constexpr size_t kMaxDimensions = 64;  // numpy's limit

}  // namespace

void wrong(const char* what) {
  throw Refusal(fmt::format("its pickle is damaged: {}", what));
}

void need_count(const Values& arguments, size_t least, size_t most) {
  if (arguments.size() < least || arguments.size() > most) wrong("a call has the wrong number of arguments");
}

int64_t need_integer(const Values& values, size_t i, const char* what) {
  return need<int64_t>(values, i, what);
}

std::string_view need_text(const Values& values, size_t i, const char* what) {
  return need<Text>(values, i, what).bytes;
}

std::optional<std::string_view> bytes_of(const Value& value) {
  if (const auto* bytes = get<Bytes>(value)) return bytes->bytes;
  if (const auto* text = get<Text>(value)) return text->bytes;
  return std::nullopt;
}

const Values* items_of(const Value& value) {
  if (const auto* tuple = get<Tuple>(value)) return &tuple->items;
  if (const auto* list = get<List>(value)) return &list->items;
  return nullptr;
}

std::vector<int64_t> need_sizes(const Values& values, size_t i) {
  const Values* const items = i < values.size() ? items_of(*values[i]) : nullptr;
  if (items == nullptr || items->size() > kMaxDimensions) wrong("a shape is no tuple of at most 64 sizes");
  std::vector<int64_t> sizes;
  for (size_t k = 0; k < items->size(); ++k) sizes.push_back(need_integer(*items, k, "a size is no integer"));
  return sizes;
}

}  // namespace rcnn::io::pickle
