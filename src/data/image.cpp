#include <rcnn/data/image.h>
