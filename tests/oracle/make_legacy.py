"""Writes tests/fixtures/legacy.json: what codes of the Caffe era, or in its arithmetic, make of a few boxes.

coder, anchors      mmdetection's LegacyDeltaXYWHBBoxCoder and LegacyAnchorGenerator, which count the last pixel of a box
published_anchors, encoded, proposals, detected
                    py-faster-rcnn's own lib/rpn/generate_anchors.py, lib/rpn/proposal_layer.py and
                    lib/fast_rcnn/bbox_transform.py, turned to Python 3; around them a caffe.Layer that does nothing, and
                    torchvision's NMS on boxes with 1 added to x2 and y2 instead of their CUDA kernel

Usage: python tests/oracle/make_legacy.py PY_FASTER_RCNN/lib, where mmdet can be imported.
"""
import json
import pathlib
import sys
import types

import numpy as np
import torch
import torchvision

SEED = 20261130
FIXTURE = pathlib.Path(__file__).parent.parent / "fixtures" / "legacy.json"
STRIDE, ANCHORS, ROWS, COLUMNS = 16, 9, 7, 9
IMAGE, NETWORK, SCALE = (65, 85), (104, 136), 1.6
PRE_NMS, POST_NMS, NMS, MIN_SIZE = 60, 25, 0.7, 16


def packed(values):
    tensor = torch.as_tensor(values)
    return {"shape": list(tensor.shape), "values": [float(f"{v:.9g}") for v in tensor.flatten().tolist()]}


def random_boxes(count):
    """As first and last pixel."""
    first = torch.rand(count, 2) * 100
    return torch.cat([first, first + torch.rand(count, 2) * 80], 1)


def mmdetection():
    from mmdet.models.task_modules.coders import LegacyDeltaXYWHBBoxCoder
    from mmdet.models.task_modules.prior_generators import LegacyAnchorGenerator

    def coder_case(stds):
        coder = LegacyDeltaXYWHBBoxCoder(target_means=(0, 0, 0, 0), target_stds=stds)
        references, boxes = random_boxes(12), random_boxes(12)
        # Not decoded: its decoder is half a pixel off both, by its own comment.
        return {"weights": [round(1 / s) for s in stds], "references": packed(references), "boxes": packed(boxes),
                "encoded": packed(coder.encode(references, boxes))}

    generator = LegacyAnchorGenerator(strides=[STRIDE], ratios=[1.0], scales=[8, 16, 32], base_sizes=[STRIDE],
                                      center_offset=0.5)
    return {"coder": [coder_case(stds) for stds in ((1.0, 1.0, 1.0, 1.0), (0.1, 0.1, 0.2, 0.2))],
            "anchors": packed(generator.grid_priors([(2, 3)], device="cpu")[0])}


class Blob:
    def __init__(self, data=None):
        self.data = data

    def reshape(self, *shape):
        self.data = np.zeros(shape, dtype=np.float32)


def nms(detections, threshold):
    boxes = torch.tensor(detections[:, :4]) + torch.tensor([0, 0, 1, 1])
    return torchvision.ops.nms(boxes, torch.tensor(detections[:, 4]), threshold).numpy()


def stand_ins():
    """For what the authors' files import and no one has."""
    options = types.SimpleNamespace(RPN_PRE_NMS_TOP_N=PRE_NMS, RPN_POST_NMS_TOP_N=POST_NMS, RPN_NMS_THRESH=NMS,
                                    RPN_MIN_SIZE=MIN_SIZE)
    modules = {"caffe": {"Layer": object}, "yaml": {"load": json.loads}, "fast_rcnn.config": {"cfg": {"TEST": options}},
               "fast_rcnn.nms_wrapper": {"nms": nms}}
    for name, attributes in modules.items():
        module = types.ModuleType(name)
        module.__dict__.update(attributes)
        sys.modules[name] = module


def py_faster_rcnn():
    stand_ins()
    from fast_rcnn.bbox_transform import bbox_transform, bbox_transform_inv, clip_boxes
    from rpn.generate_anchors import generate_anchors
    from rpn.proposal_layer import ProposalLayer

    references, boxes = random_boxes(12).numpy(), random_boxes(12).numpy()
    probabilities = torch.rand(1, ANCHORS, ROWS, COLUMNS)
    deltas = torch.randn(1, 4 * ANCHORS, ROWS, COLUMNS) * torch.tensor([0.3, 0.3, 0.9, 0.9]).repeat(ANCHORS).view(1, -1, 1, 1)
    layer, rois, scores = ProposalLayer(), Blob(), Blob()
    layer.phase, layer.param_str_ = "TEST", json.dumps({"feat_stride": STRIDE})
    layer.setup([], [rois, scores])
    layer.forward([Blob(torch.cat([1 - probabilities, probabilities], 1).numpy()), Blob(deltas.numpy()),
                   Blob(np.array([[*NETWORK, SCALE]], dtype=np.float32))], [rois, scores])
    # im_detect(), which is no function without Caffe's net.
    in_image = rois.data[:, 1:] / SCALE
    box_deltas = (torch.randn(len(in_image), 4) * torch.tensor([0.2, 0.2, 0.4, 0.4])).numpy()
    detected = clip_boxes(bbox_transform_inv(in_image, box_deltas), IMAGE)
    return {"published_anchors": packed(generate_anchors()),
            "encoded": {"references": packed(references), "boxes": packed(boxes),
                        "deltas": packed(bbox_transform(references, boxes))},
            "proposals": {"image": IMAGE, "network": NETWORK, "map": [ROWS, COLUMNS], "scale": SCALE, "pre_nms": PRE_NMS,
                          "post_nms": POST_NMS, "nms_threshold": NMS, "min_size": MIN_SIZE,
                          "probabilities": packed(probabilities[0]), "deltas": packed(deltas[0]),
                          "boxes": packed(rois.data[:, 1:]), "scores": packed(scores.data[:, 0])},
            "detected": {"deltas": packed(box_deltas), "boxes": packed(detected)}}


def main():
    sys.path.insert(0, sys.argv[1])
    torch.manual_seed(SEED)
    FIXTURE.write_text(json.dumps({**mmdetection(), **py_faster_rcnn()}) + "\n")


if __name__ == "__main__":
    main()
