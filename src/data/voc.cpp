#include <rcnn/data/voc.h>
