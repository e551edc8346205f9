"""Goldens of a tiny torchvision Faster R-CNN: losses, gradients and detections, for one feature map and for FPN.

Weights and images are formulas of their indices, the same here and in tests/nn/models/faster_rcnn_test.cpp, so that only
results are stored. Sampling is total: every anchor and RoI counts, and nothing is random.

Run: python tests/oracle/make_faster_rcnn.py, which writes tests/fixtures/faster_rcnn.json.
"""
import json
import math
import pathlib

import numpy as np
import torch
import torchvision
from torch import nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.models.resnet import BasicBlock
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign

from formulas import noise

WIDTH, CLASSES, EVERYTHING = 8, 3, 1 << 20


class Body(nn.Module):
    """ResNet-18 with WIDTH channels after the stem."""

    def __init__(self, stages):
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTH, 7, 2, 3, bias=False)
        self.bn1 = FrozenBatchNorm2d(WIDTH)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = WIDTH
        for stage in range(1, stages + 1):
            blocks, width, stride = [], WIDTH << (stage - 1), 1 if stage == 1 else 2
            for block in range(2):
                shortcut = None
                if channels != width:
                    shortcut = nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=False), FrozenBatchNorm2d(width))
                blocks.append(BasicBlock(channels, width, stride if block == 0 else 1, shortcut, norm_layer=FrozenBatchNorm2d))
                channels = width
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))

    def forward(self, x):
        for module in self.children():
            x = module(x)
        return x


class OneMap(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = Body(3)
        self.out_channels = 4 * WIDTH

    def forward(self, x):
        return self.body(x)


def detector(fpn):
    options = dict(
        min_size=64, max_size=1000, box_score_thresh=0.05, rpn_batch_size_per_image=EVERYTHING,
        box_batch_size_per_image=EVERYTHING, rpn_pre_nms_top_n_train=150, rpn_post_nms_top_n_train=60,
        rpn_pre_nms_top_n_test=150, rpn_post_nms_top_n_test=40)
    if fpn:
        backbone = BackboneWithFPN(Body(4), {f"layer{i}": str(i - 1) for i in range(1, 5)}, [WIDTH << i for i in range(4)], 16)
        anchors = AnchorGenerator(((8,), (16,), (32,), (64,), (96,)), ((0.5, 1.0, 2.0),) * 5)
        return FasterRCNN(backbone, CLASSES + 1, rpn_anchor_generator=anchors, **options)
    anchors = AnchorGenerator(((16, 32, 48),), ((0.5, 1.0, 2.0),))
    return FasterRCNN(OneMap(), CLASSES + 1, rpn_anchor_generator=anchors, box_roi_pool=MultiScaleRoIAlign(["0"], 7, 2), **options)


def fill(model):
    gains = {"box_predictor.cls_score": 0.7, "box_predictor.bbox_pred": 1.0, "rpn.head.bbox_pred": 0.3}
    with torch.no_grad():
        for stream, (name, tensor) in enumerate(sorted(model.state_dict().items())):
            values = noise(tensor.numel(), stream)
            if tensor.dim() > 1:
                gain = next((g for part, g in gains.items() if part in name), 1.0)
                values = gain * values * math.sqrt(3 * tensor.shape[0] / tensor.numel())
            elif name.endswith(("running_var", "weight")):
                values = 1 + 0.2 * values
            else:
                values = 0.1 * values
            tensor.copy_(torch.from_numpy(values.astype(np.float32)).view(tensor.shape))


def image(height, width, seed):
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return ((3 * x + 5 * y * (c + 1) + x * y // 7 + seed) % 256).astype(np.uint8)


IMAGES = [image(64, 96, 0), image(64, 80, 50)]
TARGETS = [([[4, 6, 40, 50], [30, 10, 90, 60], [60, 40, 76, 58]], [1, 2, 3]), ([[10, 20, 44, 60]], [2])]
NO_TARGET = ([], [])


def golden(fpn):
    model = detector(fpn)
    fill(model)
    images = [torch.from_numpy(i).permute(2, 0, 1).float() / 255 for i in IMAGES]
    result = {"cases": []}
    for targets in (TARGETS, [TARGETS[0], NO_TARGET], [NO_TARGET, NO_TARGET]):
        model.train()
        model.zero_grad()
        boxes = [{"boxes": torch.tensor(b, dtype=torch.float32).view(-1, 4), "labels": torch.tensor(l, dtype=torch.int64)} for b, l in targets]
        losses = model(images, boxes)
        sum(losses.values()).backward()
        gradients = {}
        for name, parameter in model.named_parameters():
            g = parameter.grad.double().flatten() if parameter.grad is not None else torch.zeros(parameter.numel()).double()
            probe = torch.from_numpy(np.cos(0.3 * np.arange(g.numel())))
            gradients[name] = [g.norm().item(), (g @ probe).item()]
        result["cases"].append({
            "targets": [{"boxes": b, "labels": l} for b, l in targets],
            "losses": {k: v.item() for k, v in losses.items()}, "gradients": gradients})
    model.eval()
    with torch.inference_mode():
        result["detections"] = [{k: v.tolist() for k, v in d.items()} for d in model(images)]
    return result


if __name__ == "__main__":
    torch.set_num_threads(1)
    content = {"torch": torch.__version__, "torchvision": torchvision.__version__, "c4": golden(False), "fpn": golden(True)}
    for kind in ("c4", "fpn"):
        print(kind, [c["losses"] for c in content[kind]["cases"]], [len(d["scores"]) for d in content[kind]["detections"]])
        print([d["scores"][:5] for d in content[kind]["detections"]])
    path = pathlib.Path(__file__).parent.parent / "fixtures" / "faster_rcnn.json"
    path.write_text(json.dumps(content, indent=None) + "\n")
