"""Writes tests/fixtures/detectron2.json: a few numbers of detectron2's own anchors and pooling, as its configs
COCO-Detection/faster_rcnn_R_50_{C4,FPN} have them, for where detectron2 itself is not at hand.

Needs what tools/test.sh installs.
"""
import json
import pathlib

import detectron2_parity as parity
import torch
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectron2.modeling.poolers import ROIPooler
from detectron2.structures import Boxes

SEED, STRIDES, OUTPUT = 0, (4, 8, 16, 32), 2


def anchors(config, stride, grid):
    """[H * W * A, 4] with the anchors of a cell by ratio, then by size: detectron2 counts the other way round."""
    options = config.MODEL.ANCHOR_GENERATOR
    sizes, ratios = options.SIZES[-1:], options.ASPECT_RATIOS
    generator = DefaultAnchorGenerator(sizes=sizes, aspect_ratios=ratios, strides=[stride], offset=options.OFFSET)
    boxes = generator([torch.zeros(1, 1, *grid)])[0].tensor.view(*grid, len(sizes[0]), len(ratios[0]), 4)
    return boxes.transpose(2, 3).reshape(-1, 4)


def pooled(config, maps, strides, boxes):
    options = config.MODEL.ROI_BOX_HEAD
    pooler = ROIPooler(OUTPUT, [1 / stride for stride in strides], options.POOLER_SAMPLING_RATIO, options.POOLER_TYPE)
    return pooler(maps, [Boxes(boxes)])


def flat(tensor):
    return {"shape": list(tensor.shape), "values": tensor.flatten().tolist()}


def main():
    c4, fpn = (parity.model_zoo.get_config(f"COCO-Detection/faster_rcnn_R_50_{name}_1x.yaml") for name in ("C4", "FPN"))
    torch.manual_seed(SEED)
    # Of quarters, so that few digits hold them exactly.
    maps = [torch.randint(-8, 8, (1, 2, 64 // stride, 96 // stride)) / 4 for stride in STRIDES]
    boxes = torch.tensor([[3., 5, 60, 50], [-4, 8, 20, 30.5], [0, 0, 96, 64], [10, 10, 10.5, 90], [0, 0, 224, 224],
                          [0, 0, 448, 448], [5, 5, 117, 117]])
    fixture = {"torch": torch.__version__, "seed": SEED, "anchors_c4": flat(anchors(c4, 16, (1, 2))),
               "anchors_p6": flat(anchors(fpn, 64, (2, 1))), "maps": [flat(features) for features in maps],
               "boxes": flat(boxes), "pooled_fpn": flat(pooled(fpn, maps, STRIDES, boxes)),
               "pooled_c4": flat(pooled(c4, maps[2:3], (16,), boxes))}
    path = pathlib.Path(__file__).parent.parent / "fixtures" / "detectron2.json"
    path.write_text(json.dumps(fixture, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
