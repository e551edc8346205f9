"""Writes tests/fixtures/ohem_sampler.json: what mmdetection's OHEMSampler and its MaxIoUAssigner choose.

Usage: python tests/oracle/make_ohem_sampler.py FOLDER
FOLDER is that of mmdet_operators.py.
"""
import json
import pathlib
import sys

import torch

import mmdet_operators

SEED = 20261130
FIXTURE = pathlib.Path(__file__).parent.parent / "fixtures" / "ohem_sampler.json"
CLASSES = 3


mmdet_operators.use(sys.argv[1])
from mmdet.models.roi_heads.bbox_heads import Shared2FCBBoxHead  # noqa: E402
from mmdet.models.task_modules.assigners import MaxIoUAssigner  # noqa: E402
from mmdet.models.task_modules.samplers import OHEMSampler  # noqa: E402
from mmengine.structures import InstanceData  # noqa: E402


def packed(tensor):
    return {"shape": list(tensor.shape), "values": [float(f"{v:.9g}") for v in tensor.flatten().tolist()]}


class Context:
    """Stands for the RoI head: its classifier knows the scores of every candidate."""

    def __init__(self, candidates, scores):
        self.candidates, self.scores = candidates, scores
        self.bbox_head = Shared2FCBBoxHead(num_classes=CLASSES, in_channels=1, fc_out_channels=1, roi_feat_size=1)

    def _bbox_forward(self, feats, rois):
        same = (rois[:, None, 1:] == self.candidates[None]).all(2)
        return {"cls_score": self.scores[same.to(torch.int64).argmax(1)]}


def case(num, fraction, near, far):
    """`near` proposals around each of three objects, and `far` anywhere."""
    corner = torch.tensor([[0.0, 0.0], [100.0, 0.0], [0.0, 100.0]])
    truth = torch.cat([corner, corner + 40], 1)
    labels = torch.tensor([2, 0, 1])
    moved = truth.repeat(near, 1) + torch.rand(3 * near, 4) * 12
    corners = torch.rand(far, 2) * 150
    proposals = torch.cat([moved, torch.cat([corners, corners + 5 + torch.rand(far, 2) * 50], 1)])
    candidates = torch.cat([truth, proposals])
    scores = torch.randn(len(candidates), CLASSES + 1) * 2

    assigner = MaxIoUAssigner(0.5, 0.5, 0.5, match_low_quality=False)
    priors, objects = InstanceData(priors=proposals), InstanceData(bboxes=truth, labels=labels)
    context = Context(candidates, scores)
    sampled = OHEMSampler(num, fraction, context).sample(assigner.assign(priors, objects), priors, objects, feats=None)
    # Background is mmdetection's last class and the first one here.
    return {"num": num, "positive_fraction": fraction, "proposals": packed(proposals), "truth": packed(truth),
            "labels": (labels + 1).tolist(), "candidates": packed(candidates),
            "scores": packed(scores.roll(1, 1)), "positive": sampled.pos_inds.tolist(),
            "negative": sampled.neg_inds.tolist()}


if __name__ == "__main__":
    torch.manual_seed(SEED)
    cases = [case(16, 0.25, 6, 60), case(16, 0.25, 0, 60), case(40, 0.5, 10, 12), case(512, 0.25, 4, 30)]
    FIXTURE.write_text(json.dumps({"mmdet": "3.3.0", "cases": cases}) + "\n")
