"""Writes tests/fixtures/detectors.json: outputs and gradients of mmdetection's DetectoRS_ResNet, with mmcv's ConvAWS and SAC, and of
its RFP.

Weights and images are formulas of their indices, see formulas.py, and everything is float64, so that only results are stored.

Usage: python tests/oracle/make_detectors.py MMDET MMCV, the folders that make_necks.py takes
"""
import json
import pathlib
import re
import sys

import numpy as np
import torch

import mmdet_operators
from formulas import fill, noise, summary

FIXTURE = pathlib.Path(__file__).parent.parent / "fixtures" / "detectors.json"
WIDTH, CHANNELS, SIZE = 2, 8, (96, 128)


def ours(name):
    """mmdetection's names, below backbone. or neck., to those below our feature extractor."""
    name = re.sub(r"^neck\.lateral_convs\.(\d)\.conv", r"rfp.inner_blocks.\1.0", name)
    name = re.sub(r"^neck\.fpn_convs\.(\d)\.conv", r"rfp.layer_blocks.\1.0", name)
    return re.sub(r"^neck\.", "rfp.", re.sub(r"^backbone\.", "body.", name))


def backbone(conv, **more):
    kinds = {"plain": {}, "aws": dict(conv_cfg=dict(type="ConvAWS")),
             "sac": dict(conv_cfg=dict(type="ConvAWS"), sac=dict(type="SAC", use_deform=False)),
             "deformable_sac": dict(conv_cfg=dict(type="ConvAWS"), sac=dict(type="SAC", use_deform=True))}[conv]
    if "sac" in kinds:
        kinds["stage_with_sac"] = (False, True, True, True)
    return dict(depth=50, base_channels=WIDTH, stem_channels=WIDTH, style="pytorch", **kinds, **more)


class Extractor(torch.nn.Module):
    def __init__(self, conv, steps):
        super().__init__()
        from mmdet.models.backbones import DetectoRS_ResNet
        from mmdet.models.necks import RFP

        self.backbone = DetectoRS_ResNet(**backbone(conv, output_img=steps > 1))
        if steps > 1:
            again = dict(type="DetectoRS_ResNet", **backbone(conv, rfp_inplanes=CHANNELS))
            self.neck = RFP(rfp_steps=steps, rfp_backbone=again, aspp_out_channels=CHANNELS // 4,
                            in_channels=[4 * WIDTH << i for i in range(4)], out_channels=CHANNELS, num_outs=5)

    def forward(self, images):
        maps = self.backbone(images)
        return self.neck(maps) if hasattr(self, "neck") else maps


def golden(conv, steps):
    extractor = Extractor(conv, steps).double()
    state = {ours(k): v for k, v in extractor.state_dict().items() if not k.endswith("num_batches_tracked")}
    fill(state)
    images = torch.from_numpy(noise(2 * 3 * SIZE[0] * SIZE[1], 1000)).view(2, 3, *SIZE).requires_grad_()
    extractor.eval()  # the norms' statistics are fixed in training, too
    outputs = extractor(images)
    sum((o.flatten() * torch.from_numpy(np.cos(0.3 * np.arange(o.numel())))).sum() for o in outputs).backward()
    config = {"backbone": {"type": "resnet50", "width": WIDTH, "conv": conv, "levels": ["c2", "c3", "c4", "c5"],
                           "frozen_stages": 0}}
    if steps > 1:
        config["neck"] = {"type": "rfp", "steps": steps, "channels": CHANNELS}
    learnt = {ours(k): p for k, p in extractor.named_parameters() if not re.search(r"\.(bn\d|downsample\.1)\.", k)}
    return {"config": config, "size": SIZE, "parameters": sum(p.numel() for p in learnt.values()),
            "shapes": [list(o.shape) for o in outputs], "outputs": [summary(o) for o in outputs],
            "input_gradient": summary(images.grad), "gradients": {k: summary(p.grad) for k, p in learnt.items()}}


def names():
    """Of the published R50 with its neck: shapes by our names."""
    global WIDTH, CHANNELS
    WIDTH, CHANNELS = 64, 256
    extractor = Extractor("deformable_sac", 2)
    return {ours(k): list(v.shape) for k, v in extractor.state_dict().items() if not k.endswith("num_batches_tracked")}


def main():
    mmdet_operators.use(*sys.argv[1:])
    cases = {}
    for conv, steps in (("aws", 1), ("sac", 1), ("deformable_sac", 1), ("plain", 2), ("aws", 3), ("deformable_sac", 2)):
        case = cases[f"{conv}_{steps}"] = golden(conv, steps)
        print(conv, steps, case["parameters"], case["outputs"])
    FIXTURE.write_text(json.dumps({"torch": torch.__version__, "cases": cases, "names": names()}) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
