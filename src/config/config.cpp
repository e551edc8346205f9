#include <rcnn/config/config.h>
