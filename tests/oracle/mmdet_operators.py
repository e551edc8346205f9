"""mmdetection without mmcv's compiled operators, for the scripts that make goldens of it.

use(FOLDER) makes mmdet importable from FOLDER, which holds mmdet 3.3.0, mmengine 0.10.7 and mmcv-lite 2.1.0 with what they import
(pip install --no-deps --target). In the place of mmcv's RoIAlign and NMS stand torchvision's; the other operators are empty classes.
"""
import importlib.abc
import importlib.machinery
import sys
import types

import torch
import torchvision
from torch import nn


class RoIAlign(nn.Module):
    """mmcv's by its arguments, torchvision's by what it computes."""

    def __init__(self, output_size, spatial_scale=1.0, sampling_ratio=0, aligned=True):
        super().__init__()
        self.output_size, self.arguments = (output_size, output_size), (spatial_scale, sampling_ratio or -1, aligned)

    def forward(self, maps, rois):
        return torchvision.ops.roi_align(maps, rois, self.output_size, *self.arguments)


def batched_nms(boxes, scores, labels, nms_cfg, class_agnostic=False):
    kept = torchvision.ops.batched_nms(boxes, scores, labels, nms_cfg["iou_threshold"])
    return torch.cat([boxes[kept], scores[kept, None]], 1), kept


class Operators(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    KNOWN = {"RoIAlign": RoIAlign, "batched_nms": batched_nms}

    def find_spec(self, name, path=None, target=None):
        if name == "mmcv.ops" or name.startswith("mmcv.ops."):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.__dict__.update(self.KNOWN)
        module.__getattr__ = lambda name: type(name, (nn.Module,), {}) if not name.startswith("__") else None
        return module

    def exec_module(self, module):
        pass


def use(folder):
    sys.path.insert(0, folder)
    sys.meta_path.insert(0, Operators())
    import mmcv.cnn.bricks.transformer as transformer

    transformer.MultiScaleDeformableAttention = type("MultiScaleDeformableAttention", (nn.Module,), {})
