#include <rcnn/data/transforms.h>
