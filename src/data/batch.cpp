#include <rcnn/data/batch.h>
