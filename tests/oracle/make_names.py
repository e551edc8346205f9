"""Writes tests/fixtures/names.json: names and shapes of torchvision's models.

Usage: python tests/oracle/make_names.py
"""
import json
import pathlib

import torch
import torchvision
from torchvision import models

FIXTURE = pathlib.Path(__file__).parent.parent / "fixtures" / "names.json"


def names(model, without=()):
    # Built without weights torchvision takes nn.BatchNorm2d; the frozen one that its weights are for has no counter.
    return {name: list(tensor.shape) for name, tensor in model.state_dict().items()
            if not name.endswith("num_batches_tracked") and not name.startswith(without)}


def main():
    with torch.device("meta"):
        content = {f"resnet{d}": names(getattr(models, f"resnet{d}")(), ("fc.",)) for d in (18, 34, 50, 101, 152)}
        for name in ("vgg16", "vgg16_bn"):
            content[name] = names(getattr(models, name)(), ("classifier.",))
    for name in ("fasterrcnn_resnet50_fpn", "fasterrcnn_resnet50_fpn_v2"):
        content[name] = names(getattr(models.detection, name)(weights=None, weights_backbone=None))
    FIXTURE.write_text(json.dumps(
        {"torch": torch.__version__, "torchvision": torchvision.__version__} | content) + "\n")


if __name__ == "__main__":
    main()
