#include <rcnn/data/loader.h>
