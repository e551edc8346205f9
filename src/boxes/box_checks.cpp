#include "boxes/box_checks.h"

namespace rcnn::boxes {

void check_boxes(const char* function, const char* name, const at::Tensor& boxes, int64_t dims) {
  TORCH_CHECK(boxes.defined(), function, ": ", name, ": expected a tensor, got none");
  TORCH_CHECK(boxes.dim() > 0 && boxes.size(-1) == 4 && (dims < 0 || boxes.dim() == dims), function, ": ",
              name, ": expected ",
              dims == 2   ? "[N, 4]"
              : dims == 3 ? "[B, N, 4]"
                          : "[..., 4]",
              ", got ", boxes.sizes());
  TORCH_CHECK(boxes.is_floating_point(), function, ": ", name, ": expected a floating-point type, got ",
              boxes.scalar_type());
}

}  // namespace rcnn::boxes
