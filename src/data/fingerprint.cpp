#include <bit>

#include <rcnn/data/fingerprint.h>

#include "data/loading/random.h"

namespace rcnn::data {
namespace {

uint64_t number_of(uint64_t number, const Box& box) {
  for (const float edge : {box.x1, box.y1, box.x2, box.y2})
    number = hash(number, std::bit_cast<uint32_t>(edge));
  return number;
}

uint64_t number_of(const Record& record) {
  uint64_t number = hash(record.id.size(), record.size.height, record.size.width);
  for (const char c : record.id) number = hash(number, static_cast<uint8_t>(c));
  for (const auto& [box, label, ignore] : record.objects) {
    number = number_of(hash(number, label, ignore), box);
  }
  if (record.proposals) {
    number = hash(number, record.proposals->size());
    for (const Box& box : *record.proposals) number = number_of(number, box);
  }
  return number;
}

}  // namespace

std::vector<int64_t> fingerprint(const Dataset& dataset) {
  std::vector<int64_t> numbers;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    numbers.push_back(static_cast<int64_t>(number_of(dataset.record(i))));
  }
  return numbers;
}

}  // namespace rcnn::data
