#include <rcnn/version.h>
