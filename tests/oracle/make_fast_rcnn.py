"""Goldens of a tiny torchvision Fast R-CNN, the RoI heads of its Faster R-CNN with given proposals: losses, gradients and
detections, with RoIAlign and with RoIPool.

Weights and images are those of make_faster_rcnn.py. Sampling is total: every RoI counts, and nothing is random.

Run: python tests/oracle/make_fast_rcnn.py, which writes tests/fixtures/fast_rcnn.json.
"""
import json
import pathlib

import torch
import torchvision
from torch import nn
from torchvision.models.detection import FasterRCNN
from torchvision.ops import MultiScaleRoIAlign, RoIPool

from make_faster_rcnn import CLASSES, EVERYTHING, IMAGES, NO_TARGET, TARGETS, OneMap, fill


class Given(nn.Module):
    """In the place of the RPN: what it would propose."""

    def forward(self, images, features, targets=None):
        return [torch.tensor(p, dtype=torch.float32).view(-1, 4) for p in self.proposals], {}


class Pool(nn.Module):
    """torchvision's RoIPool, called as its heads call RoIAlign."""

    def __init__(self):
        super().__init__()
        self.pool = RoIPool(7, 1 / 16)
        self.output_size = (7, 7)

    def forward(self, maps, boxes, sizes):
        return self.pool(maps["0"], boxes)


def proposals(height, width, count):
    boxes = []
    for i in range(count):
        x, y = (7 * i) % (width - 20) + 0.25, (11 * i) % (height - 20) + 0.5
        boxes.append([x, y, min(x + 12 + (13 * i) % 50, width), min(y + 10 + (17 * i) % 40, height)])
    return boxes


def golden(pooler):
    model = FasterRCNN(OneMap(), CLASSES + 1, min_size=64, max_size=1000, box_score_thresh=0.05,
                       box_batch_size_per_image=EVERYTHING, box_roi_pool=MultiScaleRoIAlign(["0"], 7, 2))
    model.roi_heads.box_roi_pool = pooler
    model.rpn = Given()
    fill(model)
    images = [torch.from_numpy(i).permute(2, 0, 1).float() / 255 for i in IMAGES]
    given = [proposals(*i.shape[:2], 60) for i in IMAGES]
    result = {"cases": []}
    for targets, boxes in ((TARGETS, given), ([TARGETS[0], NO_TARGET], [given[0], given[1][:9]]), (TARGETS, [[], given[1]])):
        model.train()
        model.zero_grad()
        model.rpn.proposals = boxes
        truth = [{"boxes": torch.tensor(b, dtype=torch.float32).view(-1, 4), "labels": torch.tensor(l, dtype=torch.int64)} for b, l in targets]
        losses = model(images, truth)
        sum(losses.values()).backward()
        result["cases"].append({
            "targets": [{"boxes": b, "labels": l} for b, l in targets], "proposals": boxes,
            "losses": {k: v.item() for k, v in losses.items()},
            "gradients": {n: p.grad.double().norm().item() for n, p in model.named_parameters()}})
    model.eval()
    model.rpn.proposals = given
    with torch.inference_mode():
        result["detections"] = [{k: v.tolist() for k, v in d.items()} for d in model(images)]
    return result


if __name__ == "__main__":
    torch.set_num_threads(1)
    content = {"torch": torch.__version__, "torchvision": torchvision.__version__,
               "align": golden(MultiScaleRoIAlign(["0"], 7, 2)), "pool": golden(Pool())}
    for kind in ("align", "pool"):
        print(kind, [c["losses"] for c in content[kind]["cases"]], [len(d["scores"]) for d in content[kind]["detections"]])
    path = pathlib.Path(__file__).parent.parent / "fixtures" / "fast_rcnn.json"
    path.write_text(json.dumps(content, indent=None) + "\n")
