"""Writes tests/fixtures/aug_fpn.json: AugFPN's neck, soft RoI selection and auxiliary losses, written once more out of torchvision's
pieces, since no other program has them.

Weights, inputs and what is stored are as in formulas.py, everything float64; coded box targets are float32 in both programs.

Usage: python tests/oracle/make_aug_fpn.py
"""
import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.roi_heads import fastrcnn_loss
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool, LastLevelP6P7

from formulas import fill, golden, halves, noise, summary

FIXTURE = pathlib.Path(__file__).parent.parent / "fixtures" / "aug_fpn.json"


def spatial_fusion(channels, maps):
    return nn.Sequential(nn.Conv2d(maps * channels, channels, 1), nn.ReLU(), nn.Conv2d(channels, maps, 3, padding=1))


def fused(attention, maps):
    weights = torch.sigmoid(attention(torch.cat(maps, 1)))
    return torch.stack([weights[:, i, None] * m for i, m in enumerate(maps)]).sum(0)


class AugFpn(FeaturePyramidNetwork):
    """Sections 3.1 and 3.2 of the paper; `ratios` as pairs of whole numbers, so that nothing is rounded."""

    def __init__(self, inputs, channels, ratios=((1, 10), (2, 10), (3, 10)), extra=None, norm_layer=None):
        super().__init__(inputs, channels, extra_blocks=extra or LastLevelMaxPool(), norm_layer=norm_layer)
        self.ratios = ratios
        self.high_lateral_conv = nn.ModuleList([nn.Conv2d(inputs[-1], channels, 1) for _ in ratios])
        self.high_lateral_conv_attention = spatial_fusion(channels, len(ratios))

    def augmentation(self, c5):
        height, width = c5.shape[2:]
        pooled = [F.adaptive_avg_pool2d(c5, (max(1, height * a // b), max(1, width * a // b))) for a, b in self.ratios]
        self.pooled = [list(p.shape[2:]) for p in pooled]
        maps = [F.interpolate(conv(p), (height, width), mode="bilinear", align_corners=True) for conv, p in zip(self.high_lateral_conv, pooled)]
        return fused(self.high_lateral_conv_attention, maps)

    def forward(self, maps):
        self.laterals = [self.get_result_from_inner_blocks(m, i) for i, m in enumerate(maps)]
        sums = list(self.laterals)
        sums[-1] = sums[-1] + self.augmentation(maps[-1])
        for i in reversed(range(len(sums) - 1)):
            sums[i] = sums[i] + F.interpolate(sums[i + 1], sums[i].shape[2:], mode="nearest")
        outputs = [self.get_result_from_layer_blocks(s, i) for i, s in enumerate(sums)]
        # What follows the coarsest lateral follows the one that is augmented.
        return self.extra_blocks(outputs, [sums[-1]], [str(i) for i in range(len(sums))])[0]


class SoftPooler(nn.Module):
    def __init__(self, channels, strides):
        super().__init__()
        self.strides = strides
        self.spatial_attention_conv = spatial_fusion(channels, len(strides))

    def forward(self, maps, boxes):
        grids = [torchvision.ops.roi_align(m, boxes, 7, 1 / s, sampling_ratio=2) for m, s in zip(maps, self.strides)]
        return fused(self.spatial_attention_conv, grids)


class AuxiliaryHeads(nn.Module):
    def __init__(self, channels, classes, strides):
        super().__init__()
        self.strides = strides
        self.box_head = TwoMLPHead(channels * 7 * 7, 16)
        self.box_predictor = FastRCNNPredictor(16, classes + 1)

    def forward(self, laterals, boxes, labels, truth):
        targets = torch.cat(BoxCoder((10.0, 10.0, 5.0, 5.0)).encode([t.float() for t in truth], [b.float() for b in boxes])).double()
        levels = []
        for lateral, stride in zip(laterals, self.strides):
            grids = torchvision.ops.roi_align(lateral, boxes, 7, 1 / stride, sampling_ratio=2)
            levels.append(torch.stack(fastrcnn_loss(*self.box_predictor(self.box_head(grids)), [torch.cat(labels)], [targets])))
        return torch.stack(levels).sum(0) / 4


def noise_maps(channels, sizes):
    return [torch.from_numpy(noise(2 * channels * h * w, 1000 + i)).view(2, channels, h, w).requires_grad_() for i, (h, w) in enumerate(sizes)]


# Of two images; the first so many are of objects. Coordinates that float32 has.
BOXES = [[[3.5, 5.25, 60, 70.75], [10, 10, 14.25, 19], [0, 0, 96, 128], [40, 30, 90.5, 36], [70, 100, 95, 127]],
         [[0, 0, 96, 128], [20.5, 61, 44, 90.25], [5, 5, 6, 6]]]
TRUTH = [[[1, 4, 62, 66], [9, 11, 15, 18]], [[4, 2, 90, 120]]]
LABELS = [[2, 1, 0, 0, 0], [3, 0, 0]]


def gradients(module):
    return {name: summary(p.grad) for name, p in module.named_parameters()}


def soft_pooler():
    strides, channels = [4, 8, 16, 32], 6
    pooler = SoftPooler(channels, strides).double()
    fill(pooler.state_dict())
    maps = noise_maps(channels, [(128 // s, 96 // s) for s in strides])
    grids = pooler(maps, [torch.tensor(b).double() for b in BOXES])
    (grids.flatten() * torch.from_numpy(np.cos(0.3 * np.arange(grids.numel())))).sum().backward()
    return {"strides": strides, "channels": channels, "boxes": BOXES, "shape": list(grids.shape), "grids": summary(grids),
            "map_gradients": [summary(m.grad) for m in maps], "gradients": gradients(pooler)}


def auxiliary_heads():
    strides, channels, classes = [4, 8, 16, 32], 6, 3
    heads = AuxiliaryHeads(channels, classes, strides).double()
    fill(heads.state_dict())
    laterals = noise_maps(channels, [(128 // s, 96 // s) for s in strides])
    boxes = [torch.tensor(b).double() for b in BOXES]
    padded = [torch.tensor(t + [[0, 0, 1, 1]] * (len(b) - len(t))).double() for t, b in zip(TRUTH, BOXES)]
    losses = heads(laterals, boxes, [torch.tensor(l) for l in LABELS], padded)
    losses.sum().backward()
    return {"strides": strides, "channels": channels, "classes": classes, "boxes": BOXES, "labels": LABELS, "truth": TRUTH,
            "losses": losses.tolist(), "lateral_gradients": [summary(m.grad) for m in laterals], "gradients": gradients(heads)}


def main():
    cases = {}

    def neck(key, config, inputs, sizes, **options):
        module = AugFpn(inputs, 8, **options)
        cases[key] = {"config": {"type": "aug_fpn", "channels": 8, **config}, **golden(module, inputs, sizes, lambda name: name)}
        with torch.no_grad():  # of the images that golden() gives, in evaluation mode
            module([torch.from_numpy(noise(2 * c * h * w, 1000 + i)).view(2, c, h, w) for i, (c, (h, w)) in enumerate(zip(inputs, sizes))])
        cases[key].update(laterals=[summary(m) for m in module.laterals], pooled=module.pooled)
        print(key, cases[key]["parameters"], module.pooled, cases[key]["shapes"])

    neck("coarse", {}, [6, 10], [(50, 84), (25, 42)])  # an image of 800 x 1333
    neck("four_levels", {}, [4, 6, 8, 10], halves(80, 96, 4))
    extra = LastLevelP6P7(8, 8)
    extra.use_P5 = False
    neck("norms", {"norm": "batch", "ratios": [0.29, 0.5], "extra_levels": {"type": "conv", "source": "lateral"}}, [4, 6, 8],
         [(40, 50), (20, 25), (10, 13)], ratios=((29, 100), (1, 2)), norm_layer=nn.BatchNorm2d, extra=extra)
    result = {"torch": torch.__version__, "torchvision": torchvision.__version__, "cases": cases, "soft_pooler": soft_pooler(),
              "auxiliary_heads": auxiliary_heads()}
    print(result["soft_pooler"]["grids"], result["auxiliary_heads"]["losses"])
    FIXTURE.write_text(json.dumps(result) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
