#include <rcnn/data/scenes.h>
