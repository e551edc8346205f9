#include <rcnn/vis/draw.h>
