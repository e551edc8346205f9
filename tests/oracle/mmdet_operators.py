"""mmdetection without mmcv's compiled operators, for the scripts that make goldens of it.

use(FOLDER) makes mmdet importable from FOLDER, which holds mmdet 3.3.0, mmengine 0.10.7 and mmcv-lite 2.1.0 with what they import
(pip install --no-deps --target). In the place of mmcv's RoIAlign, NMS and deformable convolution stand torchvision's; the other
operators are empty classes, but for those that are written in Python, which use(FOLDER, MMCV) takes from mmcv 2.1.0's unpacked source archive.
"""
import importlib.abc
import importlib.machinery
import importlib.util
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


def deform_conv2d(maps, offsets, weight, stride, padding, dilation, groups, offset_groups):
    return torchvision.ops.deform_conv2d(maps, offsets, weight, None, stride, padding, dilation)


class Operators(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    KNOWN = {"RoIAlign": RoIAlign, "batched_nms": batched_nms, "deform_conv2d": deform_conv2d}
    IN_PYTHON = ("mmcv.ops.merge_cells", "mmcv.ops.saconv")

    def __init__(self, mmcv=None):
        self.mmcv = mmcv

    def find_spec(self, name, path=None, target=None):
        if self.mmcv and name in self.IN_PYTHON:
            return importlib.util.spec_from_file_location(name, f"{self.mmcv}/{name.replace('.', '/')}.py")
        if name == "mmcv.ops" or name.startswith("mmcv.ops."):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.__dict__.update(self.KNOWN)
        module.__getattr__ = lambda name: type(name, (nn.Module,), {}) if not name.startswith("__") else None
        return module

    def exec_module(self, module):
        pass


def use(folder, mmcv=None):
    sys.path.insert(0, folder)
    sys.meta_path.insert(0, Operators(mmcv))
    if mmcv:
        for name in Operators.IN_PYTHON:
            importlib.import_module(name)
    import mmcv.cnn.bricks.transformer as transformer

    transformer.MultiScaleDeformableAttention = type("MultiScaleDeformableAttention", (nn.Module,), {})
