#include <rcnn/eval/voc_map.h>
