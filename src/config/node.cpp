#include <rcnn/config/node.h>
