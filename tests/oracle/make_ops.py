"""Writes tests/fixtures/ops.json: what torchvision's own ops give on small random input.

Usage: python tests/oracle/make_ops.py
"""
import json
import pathlib

import torch
import torchvision
from torchvision import ops

SEED = 20240607
FIXTURE = pathlib.Path(__file__).parent.parent / "fixtures" / "ops.json"


def packed(tensor):
    return {"shape": list(tensor.shape), "values": [float(f"{v:.9g}") for v in tensor.detach().flatten().tolist()]}


def random_boxes(count, width, height):
    corner = torch.rand(count, 2) * torch.tensor([width, height])
    size = torch.rand(count, 2) * torch.tensor([width, height]) * 0.6
    return torch.cat([corner, corner + size], 1)


def nms_case():
    boxes, scores, groups = random_boxes(60, 100, 80), torch.rand(60), torch.randint(0, 3, (60,))
    return {
        "boxes": packed(boxes), "scores": packed(scores), "groups": packed(groups), "iou_threshold": 0.3,
        "nms": packed(ops.nms(boxes, scores, 0.3)),
        "batched_nms": packed(ops.batched_nms(boxes, scores, groups, 0.3)),
    }


def pooling_case(features, rois, options, pool):
    features = features.clone().requires_grad_()
    output = pool(features)
    weight = torch.randn_like(output)
    (output * weight).sum().backward()
    return options | {"features": packed(features), "rois": packed(rois), "output": packed(output),
                      "weight": packed(weight), "gradient": packed(features.grad)}


def main():
    torch.manual_seed(SEED)
    nms = nms_case()
    features = torch.randn(2, 2, 9, 11)
    # Some leave the map on every side; one is smaller than a cell and one is empty.
    rois = torch.cat([torch.randint(0, 2, (10, 1)).float(), random_boxes(10, 50, 40) - 6], 1)
    rois[0, 1:] = torch.tensor([10.0, 10.0, 11.0, 10.5])
    rois[1, 1:] = torch.tensor([20.0, 16.0, 20.0, 16.0])
    align = []
    for aligned in (False, True):
        for ratio in (0, 2):
            align.append(pooling_case(
                features, rois, {"spatial_scale": 0.25, "height": 3, "width": 4, "sampling_ratio": ratio,
                                 "aligned": aligned},
                lambda f: ops.roi_align(f, rois, (3, 4), 0.25, ratio, aligned)))
    pool = pooling_case(features, rois, {"spatial_scale": 0.25, "height": 3, "width": 4},
                        lambda f: ops.roi_pool(f, rois, (3, 4), 0.25))
    FIXTURE.write_text(json.dumps({
        "torch": torch.__version__, "torchvision": torchvision.__version__, "seed": SEED,
        "nms": nms, "roi_align": align, "roi_pool": pool,
    }) + "\n")


if __name__ == "__main__":
    main()
