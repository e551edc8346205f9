#include <rcnn/io/atomic_file.h>
