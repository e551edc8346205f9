#include <rcnn/data/loading/sample.h>

#include "data/loading/random.h"

namespace rcnn::data {

std::vector<int64_t> sample(int64_t size, int64_t count, uint64_t seed) {
  Random random(seed);
  std::vector<int64_t> chosen;
  // Knuth, The Art of Computer Programming, volume 2, section 3.4.2, algorithm S.
  for (int64_t i = 0; i < size; ++i) {
    if (random.below(size - i) < count - std::ssize(chosen)) chosen.push_back(i);
  }
  return chosen;
}

}  // namespace rcnn::data
