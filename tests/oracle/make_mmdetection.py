"""Writes tests/fixtures/mmdetection.json: what mmdetection's own Faster R-CNN over FPN and PAFPN calls its weights, finds and learns,
and single rules of it; and tests/fixtures/weights/torch_zip/mmdetection.pth, a checkpoint as mmengine's runner leaves it.

Models are those of mmdetection's configs, narrow ones. Weights and images are formulas of their indices, the same here and in
tests/parity/mmdetection_test.cpp, but for the last layers' scales and biases, which are chosen so that about a hundred detections
survive, and stored. Detecting is done in float64.

Usage: python tests/oracle/make_mmdetection.py MMDET MMCV, folders as mmdet_operators.py describes them.
"""
import json
import pathlib
import sys

import numpy as np
import torch

import mmdet_operators
from formulas import noise

MMDET, MMCV = sys.argv[1:]
mmdet_operators.use(MMDET, MMCV)

from mmcv.transforms import Resize  # noqa: E402
from mmdet.registry import MODELS, TASK_UTILS  # noqa: E402
from mmdet.structures import DetDataSample  # noqa: E402
from mmdet.utils import register_all_modules  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.logging import HistoryBuffer  # noqa: E402
from mmengine.structures import InstanceData  # noqa: E402

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures"
CONFIGS = f"{MMDET}/mmdet/.mim/configs"
NAMES = {"fpn": "faster_rcnn/faster-rcnn_r50_fpn_1x_coco", "pafpn": "pafpn/faster-rcnn_r50_pafpn_1x_coco",
         "nas_fpn": "nas_fpn/retinanet_r50_nasfpn_crop640-50e_coco", "cascade": "detectors/detectors_cascade-rcnn_r50_1x_coco",
         "htc": "detectors/detectors_htc-r50_1x_coco"}
WIDTH, CHANNELS, UNITS, CLASSES = 8, 16, 32, 8
MIN_SIZE, MAX_SIZE = 128, 192
EVERYTHING = 1_000_000
# Height and width: two are at the network's size, one shrinks, one grows.
SIZES = [(128, 192), (150, 128), (200, 260), (90, 70)]
# Boxes of the four images, and labels 0..C-1: one that no anchor overlaps by 0.3, two that share their best anchors.
TRUTHS = [([[10.5, 20.25, 60, 90], [100, 30, 180.5, 120], [98, 34, 178, 124], [40, 100, 46, 105]], [0, 3, 7, 2]),
          ([[5, 5, 100, 140]], [1]), ([[120.5, 80, 250, 190.75], [10, 10, 60, 40]], [5, 6]), ([], [])]
# What the last layers' outputs deviate by.
SPREAD = {"rpn_head.rpn_cls": 1.5, "rpn_head.rpn_reg": 0.35, "roi_head.bbox_head.fc_cls": 2.5, "roi_head.bbox_head.fc_reg": 1.2}


def image(size, stream):
    """uint8 RGB [H, W, 3]: waves with noise on them, all of integers."""
    height, width = size
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    waves = (x * x // (17 + 5 * stream) + y * (3 + c) + x * y // (40 + 10 * c)) % 256
    return ((waves + np.floor((noise(waves.size, 500 + stream).reshape(waves.shape) + 1) * 40).astype(np.int64)) % 256).astype(np.uint8)


def fill(state):
    for stream, name in enumerate(sorted(n for n in state if not n.endswith("num_batches_tracked"))):
        tensor = state[name]
        values = noise(tensor.numel(), stream)
        if tensor.dim() > 1:
            values = values * np.sqrt(3 * tensor.shape[0] / tensor.numel())
        elif name.endswith("bn3.weight"):  # small residuals, as after training: others make a network chaotic
            values = 0.15 + 0.05 * values
        elif name.endswith(("running_var", "weight")):
            values = 1 + 0.2 * values
        else:
            values = 0.1 * values
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(values).view(tensor.shape))


def short(values, digits=5):
    return [round(v, digits) for v in values]


@torch.no_grad()
def spread(model, forward):
    """Scales and biases of the last layers, each found once those before it have theirs."""
    chosen = {}
    for name, target in SPREAD.items():
        layer, outputs = model.get_submodule(name), []
        hook = layer.register_forward_hook(lambda _, inputs, output: outputs.append(output))
        forward()
        hook.remove()
        channels = torch.cat([o.movedim(1, -1).flatten(0, -2) if o.dim() == 4 else o for o in outputs])
        scale = round((target / channels.std(0).mean()).item(), 3)
        bias = short((-(channels - layer.bias).mean(0) * scale).tolist(), 3)
        layer.weight.mul_(scale)
        layer.bias.copy_(torch.tensor(bias))
        chosen[name] = {"scale": scale, "bias": bias}
    return chosen


def tree(names):
    """Names as nested dicts, which are shorter."""
    root = {}
    for name, value in names.items():
        *path, leaf = name.split(".")
        node = root
        for part in path:
            node = node.setdefault(part, {})
        node[leaf] = value
    return root


def config_of(name):
    config = Config.fromfile(f"{CONFIGS}/{NAMES[name]}.py")
    config.model.backbone.init_cfg = None
    if "rfp_backbone" in config.model.get("neck", {}):
        config.model.neck.rfp_backbone.pop("pretrained", None)
    return config


def shapes(model):
    return {name: list(tensor.shape) for name, tensor in model.state_dict().items()}


def names():
    fpn, pafpn = (shapes(MODELS.build(config_of(n).model)) for n in ("fpn", "pafpn"))
    assert all(fpn[n] == s for n, s in pafpn.items() if not n.startswith("neck."))
    only = {n: s for n, s in pafpn.items() if n.startswith("neck.")}
    result = {"fpn": tree(fpn), "pafpn": tree(only)}
    for name in ("nas_fpn", "cascade", "htc"):
        whole = shapes(MODELS.build(config_of(name).model))
        few = {n: None for n in whole if not any(f".{b}." in n.partition("layer")[2][1:] for b in range(2, 6)) or "layer" not in n}
        result[name] = tree(few)
    return result


def narrow(name):
    config = config_of(name)
    model = config.model
    model.backbone.base_channels = WIDTH
    model.neck.in_channels = [WIDTH * 4 * 2**i for i in range(4)]
    model.neck.out_channels = CHANNELS
    model.rpn_head.update(in_channels=CHANNELS, feat_channels=CHANNELS)
    model.roi_head.bbox_roi_extractor.out_channels = CHANNELS
    model.roi_head.bbox_head.update(in_channels=CHANNELS, fc_out_channels=UNITS, num_classes=CLASSES)
    # So many proposals that everything is quick, and every candidate learns, so that nothing is random.
    model.test_cfg.rpn.update(nms_pre=300, max_per_img=200)
    model.train_cfg.rpn_proposal.update(nms_pre=100, max_per_img=40)
    for part in ("rpn", "rcnn"):
        model.train_cfg[part].sampler.update(num=EVERYTHING, pos_fraction=1.0)
    return MODELS.build(model)


def batch(numbers, model):
    """As the test and the training pipelines give it to the preprocessor."""
    resize = Resize(scale=(MAX_SIZE, MIN_SIZE), keep_ratio=True)
    inputs, samples = [], []
    for i in numbers:
        boxes, labels = TRUTHS[i]
        pixels = np.ascontiguousarray(image(SIZES[i], i)[:, :, ::-1])
        results = resize(dict(img=pixels, gt_bboxes=np.array(boxes, np.float32).reshape(-1, 4)))
        height, width = results["img"].shape[:2]
        sample = DetDataSample(metainfo=dict(img_shape=(height, width), ori_shape=SIZES[i], scale_factor=results["scale_factor"]))
        sample.gt_instances = InstanceData(bboxes=torch.from_numpy(results["gt_bboxes"]), labels=torch.tensor(labels, dtype=torch.int64))
        inputs.append(torch.from_numpy(np.ascontiguousarray(results["img"].transpose(2, 0, 1))))
        samples.append(sample)
    return model.data_preprocessor(dict(inputs=inputs, data_samples=samples))


def detector(name):
    model = narrow(name)
    state = model.state_dict()
    fill(state)
    model.eval()
    data = batch(range(4), model)
    result = {"weights": tree(shapes(model)), "spread": spread(model, lambda: model.predict(data["inputs"], data["data_samples"]))}

    model.train()
    learns = batch([0, 1, 2], model)
    losses = model.loss(learns["inputs"], learns["data_samples"])
    parts = [sum(losses["loss_rpn_cls"]), sum(losses["loss_rpn_bbox"]), losses["loss_cls"], losses["loss_bbox"]]
    sum(parts).backward()
    result["losses"] = [p.item() for p in parts]
    # Norms learn here, and are frozen in rcnn.
    norms = {n for n, m in model.named_modules() if isinstance(m, torch.nn.BatchNorm2d)}
    result["gradients"] = {n: float(f"{p.grad.double().norm().item():.7g}") for n, p in model.named_parameters()
                           if p.grad is not None and n.rpartition(".")[0] not in norms}

    model.double().eval()
    with torch.inference_mode():
        found = [s.pred_instances for s in model.predict(data["inputs"].double(), data["data_samples"], rescale=True)]
    result["detections"] = [{"boxes": [short(b) for b in f.bboxes.tolist()], "scores": short(f.scores.tolist(), 7), "labels": (f.labels + 1).tolist()}
                            for f in found]
    print(name, result["losses"], [len(f) for f in found], result["spread"])
    return result


def rules():
    coder = TASK_UTILS.build(dict(type="DeltaXYWHBBoxCoder", target_means=[0.0] * 4, target_stds=[0.1, 0.1, 0.2, 0.2]))
    boxes = torch.tensor([[10.0, 20.0, 110.0, 220.0], [5.5, 3.25, 20.0, 9.0], [0.0, 0.0, 400.0, 300.0], [7.0, 7.0, 8.0, 8.0]])
    deltas = torch.tensor([[0.3, -0.7, -25.0, 30.0], [1.0, 2.0, -20.6, 20.6], [-3.0, 0.5, -20.7, 0.0], [0.0, 0.0, 1.0, -1.0]])
    result = {"references": boxes.tolist(), "deltas": deltas.tolist(), "decoded": coder.decode(boxes, deltas).tolist()}

    extractor = MODELS.build(dict(type="SingleRoIExtractor", roi_layer=dict(type="RoIAlign", output_size=7), out_channels=1, featmap_strides=[4, 8, 16, 32]))
    sides = [0.0, 1.0, 55.0, 56.0, 111.0, 111.99999, 112.0, 223.0, 223.9999, 223.99998, 224.0, 447.0, 447.9998, 447.99997, 448.0, 10000.0]
    rois = torch.tensor([[0, 0, 0, s, s] for s in sides])
    result |= {"sides": sides, "levels": extractor.map_roi_levels(rois, 4).tolist()}

    assigner = TASK_UTILS.build(dict(type="MaxIoUAssigner", pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3, match_low_quality=True, ignore_iof_thr=-1))
    generator = TASK_UTILS.build(dict(type="AnchorGenerator", scales=[8], ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16, 32, 64]))
    maps = [(24, 32), (12, 16), (6, 8), (3, 4), (2, 2)]
    anchors = torch.cat(generator.grid_priors(maps, device="cpu"))
    truths = torch.tensor([[12.0, 10.0, 52.0, 58.0], [11.5, 9.5, 52.5, 58.5], [80.0, 70.0, 84.0, 75.0], [0.0, 0.0, 128.0, 96.0], [96.0, 0.0, 128.0, 32.0]])
    labels = torch.tensor([3, 1, 4, 1, 5])
    assigned = assigner.assign(InstanceData(priors=anchors), InstanceData(bboxes=truths, labels=labels))
    positive = (assigned.gt_inds > 0).nonzero().squeeze(1)
    result |= {"maps": maps, "some_anchors": anchors[::97].tolist(), "truths": truths.tolist(), "labels": labels.tolist(),
               "positives": positive.tolist(), "their_truths": (assigned.gt_inds[positive] - 1).tolist(),
               "negatives": (assigned.gt_inds == 0).sum().item()}

    # Of an image of 70 x 90 pixels, padded to 96 x 96, in a batch of 96 x 256.
    maps = [(24, 64), (12, 32), (6, 16), (3, 8), (2, 4)]
    return result | {"batch_maps": maps, "valid_cells": [int(f.view(-1, 3)[:, 0].sum()) for f in generator.valid_flags(maps, (96, 96), "cpu")]}


def checkpoint():
    """A tiny network's, with what mmengine's runner puts beside it."""
    layer = torch.nn.Conv2d(1, 2, 1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.02, momentum=0.9)
    layer(torch.ones(1, 1, 1, 1)).sum().backward()
    optimizer.step()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([1.0, 2.0]).view(2, 1, 1, 1))
        layer.bias.copy_(torch.tensor([3.0, 4.0]))
    history = HistoryBuffer()
    history.update(0.5)
    name = "module.rpn_head.rpn_reg"
    torch.save({"meta": {"cfg": "model = dict(type='FasterRCNN')", "seed": None, "experiment_name": "x", "time": "20260101_000000", "mmengine_version": "0.10.7",
                         "dataset_meta": {"CLASSES": ("a", "b"), "palette": np.zeros((2, 3), np.uint8)}, "epoch": 12, "iter": 3},
                "state_dict": {f"{name}.{k}": v for k, v in layer.state_dict().items()}, "message_hub": {"log_scalars": {"train/loss": history}, "runtime_info": {"iter": 3}},
                "optimizer": optimizer.state_dict(), "param_schedulers": [{"last_step": 3, "gamma": 0.1}]},
               FIXTURES / "weights" / "torch_zip" / "mmdetection.pth")


if __name__ == "__main__":
    register_all_modules()
    torch.set_num_threads(1)
    checkpoint()
    content = {"torch": torch.__version__, "mmdet": "3.3.0", "names": names(), "rules": rules()}
    content |= {"sizes": SIZES, "min_size": MIN_SIZE, "max_size": MAX_SIZE, "width": WIDTH, "channels": CHANNELS, "hidden": UNITS, "classes": CLASSES,
                "truths": [{"boxes": b, "labels": [i + 1 for i in l]} for b, l in TRUTHS]}
    content["detectors"] = {name: detector(name) for name in ("fpn", "pafpn")}
    (FIXTURES / "mmdetection.json").write_text(json.dumps(content) + "\n")
