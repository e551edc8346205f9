#include <rcnn/data/dataset.h>
