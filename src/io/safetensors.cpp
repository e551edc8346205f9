#include <rcnn/io/safetensors.h>
