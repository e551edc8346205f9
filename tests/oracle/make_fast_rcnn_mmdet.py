"""Goldens of a tiny mmdetection Fast R-CNN: losses, gradients and detections.

Weights, images, objects and proposals are those of make_fast_rcnn.py, as torchvision has them; the heads, the loss, the coder and
the test are mmdetection's.

Usage: python tests/oracle/make_fast_rcnn_mmdet.py FOLDER, which writes tests/fixtures/fast_rcnn_mmdet.json.
FOLDER is that of mmdet_operators.py.
"""
import json
import pathlib
import sys

import torch
import torchvision
from torch import nn

import mmdet_operators
from make_fast_rcnn import proposals
from make_faster_rcnn import CLASSES, EVERYTHING, IMAGES, NO_TARGET, TARGETS, OneMap, fill

FIXTURE = pathlib.Path(__file__).parent.parent / "fixtures" / "fast_rcnn_mmdet.json"
MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
NETWORK = (64, 96)  # of the batch, padded


mmdet_operators.use(sys.argv[1])
from mmdet.models.detectors import FastRCNN  # noqa: E402
from mmdet.registry import MODELS  # noqa: E402
from mmdet.structures import DetDataSample  # noqa: E402
from mmengine.config import ConfigDict  # noqa: E402
from mmengine.structures import InstanceData  # noqa: E402


@MODELS.register_module()
class TinyMap(OneMap):
    def __init__(self, init_cfg=None):
        super().__init__()

    def forward(self, x):
        return (super().forward(x),)


def detector():
    """As configs/fast_rcnn/fast-rcnn_r50-caffe_fpn_1x_coco.py says, with one map, and every RoI sampled."""
    sampler = dict(type="RandomSampler", num=EVERYTHING, pos_fraction=1.0, neg_pos_ub=-1, add_gt_as_proposals=True)
    assigner = dict(type="MaxIoUAssigner", pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.5, match_low_quality=False, ignore_iof_thr=-1)
    return FastRCNN(
        backbone=dict(type="TinyMap"),
        roi_head=dict(
            type="StandardRoIHead",
            bbox_roi_extractor=dict(type="SingleRoIExtractor", roi_layer=dict(type="RoIAlign", output_size=7, sampling_ratio=0), out_channels=32, featmap_strides=[16]),
            bbox_head=dict(
                type="Shared2FCBBoxHead", in_channels=32, fc_out_channels=1024, roi_feat_size=7, num_classes=CLASSES,
                bbox_coder=dict(type="DeltaXYWHBBoxCoder", target_means=[0.0] * 4, target_stds=[0.1, 0.1, 0.2, 0.2]), reg_class_agnostic=False,
                loss_cls=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0), loss_bbox=dict(type="L1Loss", loss_weight=1.0))),
        train_cfg=ConfigDict(rcnn=dict(assigner=assigner, sampler=sampler, pos_weight=-1, debug=False)),
        test_cfg=ConfigDict(rcnn=dict(score_thr=0.05, nms=dict(type="nms", iou_threshold=0.5), max_per_img=100)))


NAMES = {"roi_head.bbox_head.shared_fcs.0": "roi_heads.box_head.fc6", "roi_head.bbox_head.shared_fcs.1": "roi_heads.box_head.fc7",
         "roi_head.bbox_head.fc_cls": "roi_heads.box_predictor.cls_score", "roi_head.bbox_head.fc_reg": "roi_heads.box_predictor.bbox_pred"}


def own_name(name):
    return next((own + name[len(theirs):] for theirs, own in NAMES.items() if name.startswith(theirs)), name)


def weights(model):
    """torchvision's: the background's scores come last here, and it has no boxes."""
    source = torchvision.models.detection.FasterRCNN(
        OneMap(), CLASSES + 1, rpn_anchor_generator=torchvision.models.detection.rpn.AnchorGenerator(((16,),), ((1.0,),)),
        box_roi_pool=torchvision.ops.MultiScaleRoIAlign(["0"], 7, 2))
    source.rpn = nn.Module()
    fill(source)
    values = source.state_dict()
    for name in [n for n in values if "cls_score" in n]:
        values[name] = values[name].roll(-1, 0)
    for name in [n for n in values if "bbox_pred" in n]:
        values[name] = values[name][4:]
    model.load_state_dict({name: values[own_name(name)] for name in model.state_dict()})


def batch(given, truth):
    images = torch.zeros(len(IMAGES), 3, *NETWORK)
    samples = []
    for i, (pixels, boxes) in enumerate(zip(IMAGES, given)):
        image = (torch.from_numpy(pixels).permute(2, 0, 1).float() / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(DEVIATION).view(3, 1, 1)
        images[i, :, :image.shape[1], :image.shape[2]] = image
        sample = DetDataSample(metainfo=dict(img_shape=image.shape[1:], ori_shape=image.shape[1:], pad_shape=NETWORK, batch_input_shape=NETWORK, scale_factor=(1.0, 1.0)))
        sample.proposals = InstanceData(bboxes=torch.tensor(boxes, dtype=torch.float32).view(-1, 4))
        sample.gt_instances = InstanceData(bboxes=torch.tensor(truth[i][0], dtype=torch.float32).view(-1, 4), labels=torch.tensor(truth[i][1], dtype=torch.int64) - 1)
        samples.append(sample)
    return images, samples


if __name__ == "__main__":
    torch.set_num_threads(1)
    model = detector()
    weights(model)
    given = [proposals(*i.shape[:2], 60) for i in IMAGES]
    result = {"cases": []}
    for truth, boxes in ((TARGETS, given), ([TARGETS[0], NO_TARGET], [given[0], given[1][:9]]), (TARGETS, [[], given[1]])):
        model.train()
        model.zero_grad()
        losses = model.loss(*batch(boxes, truth))
        (losses["loss_cls"] + losses["loss_bbox"]).backward()
        result["cases"].append({
            "targets": [{"boxes": b, "labels": l} for b, l in truth], "proposals": boxes,
            "losses": {"loss_classifier": losses["loss_cls"].item(), "loss_box_reg": losses["loss_bbox"].item()},
            "gradients": {own_name(n): p.grad.double().norm().item() for n, p in model.named_parameters()}})
    model.eval()
    with torch.inference_mode():
        found = [s.pred_instances for s in model.predict(*batch(given, TARGETS), rescale=False)]
    result["detections"] = [{"boxes": f.bboxes.tolist(), "scores": f.scores.tolist(), "labels": (f.labels + 1).tolist()} for f in found]
    print([c["losses"] for c in result["cases"]], [len(d["scores"]) for d in result["detections"]])
    FIXTURE.write_text(json.dumps({"torch": torch.__version__, "mmdet": "3.3.0", "align_l1": result}) + "\n")
