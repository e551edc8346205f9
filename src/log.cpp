#include <rcnn/log.h>
