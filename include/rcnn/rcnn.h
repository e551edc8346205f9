#pragma once

/// What most programs need: detecting, training, configs. Compiles without torch/torch.h.
#include <rcnn/config/config.h>
#include <rcnn/detection.h>
#include <rcnn/error.h>
#include <rcnn/infer/detector.h>
#include <rcnn/train/trainer.h>
#include <rcnn/version.h>
