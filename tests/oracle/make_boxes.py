"""Writes tests/fixtures/boxes.json: what torchvision's AnchorGenerator, BoxCoder and Matcher give.

Usage: python tests/oracle/make_boxes.py
"""
import json
import pathlib

import torch
import torchvision
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import box_iou

SEED = 20240611
FIXTURE = pathlib.Path(__file__).parent.parent / "fixtures" / "boxes.json"


def packed(tensor):
    return {"shape": list(tensor.shape), "values": [float(f"{v:.9g}") for v in tensor.flatten().tolist()]}


def random_boxes(count, extent):
    corner, size = torch.rand(count, 2) * extent, (torch.rand(count, 2) * 0.5 + 0.02) * extent
    return torch.cat([corner, corner + size], 1)


def anchors_case(sizes, ratios, strides, image):
    levels = [sizes] if len(strides) == 1 else [(s,) for s in sizes]
    generator = AnchorGenerator(tuple(levels), (ratios,) * len(levels))
    maps = [torch.zeros(1, 1, image[0] // s, image[1] // s) for s in strides]
    anchors = generator(ImageList(torch.zeros(1, 3, *image), [image]), maps)[0]
    return {"sizes": sizes, "ratios": ratios, "strides": strides, "maps": [list(m.shape[-2:]) for m in maps],
            "anchors": packed(anchors)}


def coder_case(weights):
    coder = BoxCoder(weights)
    references, boxes = random_boxes(12, 100), random_boxes(12, 100)
    # Three classes; dw and dh beyond the limit on both sides are among them.
    deltas = torch.randn(12, 12) * torch.tensor(weights * 3) * torch.tensor([0.5, 0.5, 3, 3] * 3)
    return {"weights": weights, "references": packed(references), "boxes": packed(boxes),
            "encoded": packed(coder.encode_single(boxes, references)), "deltas": packed(deltas.view(12, 3, 4)),
            "decoded": packed(coder.decode_single(deltas, references).view(12, 3, 4))}


def matcher_case(positive, negative, low_quality):
    while True:
        candidates, truths = random_boxes(150, 100), random_boxes(6, 100)
        candidates[:20] = truths[torch.arange(20) % 6] + torch.randn(20, 4) * 4
        iou = box_iou(truths, candidates)
        candidates[20:22] = candidates[iou[:2].argmax(1)]  # ties for a truth's best
        iou = box_iou(truths, candidates)
        if (iou.max(1).values > 0).all():  # rcnn asks for an overlap, torchvision does not
            break
    return {"positive_iou": positive, "negative_iou": negative, "low_quality": low_quality,
            "candidates": packed(candidates), "truths": packed(truths),
            "matches": packed(Matcher(positive, negative, low_quality)(iou))}


def main():
    torch.manual_seed(SEED)
    ratios = (0.5, 1.0, 2.0)
    FIXTURE.write_text(json.dumps({
        "torch": torch.__version__, "torchvision": torchvision.__version__, "seed": SEED,
        "anchors": [anchors_case((128, 256, 512), ratios, (16,), (48, 64)),
                    anchors_case((5, 9, 25), (0.3, 1.0, 3.0), (8,), (16, 16)),  # halves to round
                    anchors_case((128, 256, 512), ratios, (16, 32, 64), (64, 128))],
        "coder": [coder_case(w) for w in ((1.0, 1.0, 1.0, 1.0), (10.0, 10.0, 5.0, 5.0))],
        "matcher": [matcher_case(*c) for c in ((0.7, 0.3, True), (0.7, 0.3, False), (0.5, 0.5, False))],
    }) + "\n")


if __name__ == "__main__":
    main()
