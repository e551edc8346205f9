"""What detectron2's options compute, written from torch and torchvision's pieces: detectron2 itself is not needed.

Sources, detectron2 0.6: modeling/backbone/resnet.py (BottleneckBlock, ResNet.make_stage, build_resnet_backbone),
modeling/anchor_generator.py (DefaultAnchorGenerator), layers/roi_align.py (aligned=True), modeling/poolers.py.
"""
import math

import torch
from torch import nn
from torchvision.ops import FrozenBatchNorm2d, roi_align

import parity_models

BLOCKS = (3, 4, 6, 3)


class Bottleneck(nn.Module):
    """With stride_in_1x1 = True; dilation acts on the 3x3."""

    def __init__(self, inputs, width, stride, dilation):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, stride, bias=False)
        self.bn1 = FrozenBatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = FrozenBatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = FrozenBatchNorm2d(4 * width)
        if inputs != 4 * width:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, 4 * width, 1, stride, bias=False),
                                            FrozenBatchNorm2d(4 * width))

    def forward(self, x):
        y = self.bn1(self.conv1(x)).relu()
        y = self.bn2(self.conv2(y)).relu()
        y = self.bn3(self.conv3(y))
        return (y + (self.downsample(x) if hasattr(self, "downsample") else x)).relu()


class ResNet50(nn.Module):
    """Under torchvision's names."""

    def __init__(self, res5_dilation):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = FrozenBatchNorm2d(64)
        inputs = 64
        for stage, blocks in enumerate(BLOCKS, 1):
            width, dilation = 32 << stage, res5_dilation if stage == 4 else 1
            # build_resnet_backbone: first_stride = 1 if idx == 0 or (stage_idx == 5 and dilation == 2) else 2
            first_stride = 1 if stage == 1 or dilation == 2 else 2
            layers = []
            for block in range(blocks):
                layers.append(Bottleneck(inputs, width, first_stride if block == 0 else 1, dilation))
                inputs = 4 * width
            setattr(self, f"layer{stage}", nn.Sequential(*layers))

    def forward(self, x):
        x = nn.functional.max_pool2d(self.bn1(self.conv1(x)).relu(), 3, 2, 1)
        maps = {}
        for stage in range(1, 5):
            maps[f"c{stage + 1}"] = x = getattr(self, f"layer{stage}")(x)
        return maps


def anchors(height, width, stride, sizes, ratios):
    """generate_cell_anchors and _create_grid_offsets, in our order of ratios and sizes."""
    cells = []
    for ratio in ratios:
        for size in sizes:
            w = math.sqrt(size * size / ratio)
            cells.append([-w / 2, -ratio * w / 2, w / 2, ratio * w / 2])
    y, x = torch.meshgrid(torch.arange(height) * stride, torch.arange(width) * stride, indexing="ij")
    shifts = torch.stack([x, y, x, y], 2).view(-1, 1, 4)
    return (shifts + torch.tensor(cells)).view(-1, 4)


def pyramid_levels(boxes, finest, coarsest):
    """assign_boxes_to_levels."""
    sizes = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sqrt()
    return torch.floor(4 + torch.log2(sizes / 224 + 1e-8)).clamp(finest, coarsest).long() - finest


def pooled(maps, strides, boxes, size):
    """ROIPooler with ROIAlignV2, sampling_ratio 0. boxes: one image's."""
    levels = pyramid_levels(boxes, int(math.log2(strides[0])), int(math.log2(strides[-1])))
    result = torch.zeros(len(boxes), maps[0].shape[1], size, size)
    for level, (features, stride) in enumerate(zip(maps, strides)):
        chosen = levels == level
        result[chosen] = roi_align(features, [boxes[chosen]], size, 1 / stride, 0, aligned=True)
    return result


@torch.no_grad()
def write_all(output, write):
    torch.manual_seed(3)
    images = torch.randn(2, 3, 96, 160)
    for name, dilation in (("c4", 1), ("dc5", 2)):
        model = parity_models.randomize(ResNet50(dilation), 0, lambda m: m(images))
        write(output / f"detectron2_{name}.weights.safetensors", parity_models.half_state(model), seed=0)
        maps = model.double()(images.double())
        write(output / f"detectron2_{name}.golden.safetensors", {"images": images.double()} | maps, seed=0)
    strides = (4, 8, 16, 32)
    maps = [torch.randn(1, 8, 512 // s, 640 // s) for s in strides]
    corner, side = torch.rand(200, 2) * 400 - 20, 2 ** (torch.rand(200, 2) * 7 + 2)
    boxes = torch.cat([corner, corner + side], 1)
    tensors = {f"map.{i}": features for i, features in enumerate(maps)}
    tensors |= {"boxes": boxes, "pooled": pooled(maps, strides, boxes, 7), "pooled_c4": pooled(maps[2:3], (16,), boxes, 14)}
    sizes, ratios = (32, 64, 128, 256, 512), (0.5, 1, 2)
    tensors["anchors_c4"] = anchors(19, 25, 16, sizes, ratios)
    tensors["anchors_p6"] = anchors(13, 17, 64, (512,), ratios)
    write(output / "detectron2_pieces.golden.safetensors", tensors, seed=3)
