"""What detectron2 0.6's own detectors find and learn, for tests/parity: COCO-Detection/faster_rcnn_R_50_{C4,DC5,FPN} with
random weights (parity_models.py), from photographs that detectron2's own transforms resize.

Its Python alone is needed, as tools/setup.sh unpacks it: what it compiles is for rotated boxes and deformable convolution,
torchvision stands behind its RoIAlign and NMS. Importing this raises ImportError where it is missing.

Networks compute in float64, see make_parity.py; boxes are float32 in detectron2 as in rcnn.
"""
import sys
import types

import numpy as np
import torch
from PIL import Image

Image.LINEAR = Image.BILINEAR  # its old name
sys.modules.setdefault("detectron2._C", types.ModuleType("detectron2._C"))

from detectron2 import model_zoo  # noqa: E402
from detectron2.data.transforms import ResizeShortestEdge  # noqa: E402
from detectron2.layers import batched_nms  # noqa: E402
from detectron2.modeling import build_model  # noqa: E402
from detectron2.modeling.proposal_generator import proposal_utils, rpn  # noqa: E402
from detectron2.modeling.roi_heads import fast_rcnn  # noqa: E402
from detectron2.structures import Boxes, Instances  # noqa: E402
from detectron2.utils.events import EventStorage  # noqa: E402

import parity_models  # noqa: E402

# The shorter side and the longest, proposals an image, units of the fully connected layers: small, to be quick.
DETECTORS = {"R_50_FPN": (224, 373, 300, 128), "R_50_C4": (128, 213, 30, None), "R_50_DC5": (160, 266, 100, 32)}
TRAINING_SIZE, TRAINING_PROPOSALS, EVERYTHING = (96, 160), 20, 1_000_000
LOSSES = ("loss_rpn_cls", "loss_rpn_loc", "loss_cls", "loss_box_reg")


def in_float64():
    """Lets its functions take float64, which they are not written for: NMS wants scores of its boxes' type, the RPN's
    loss labels of its logits'."""
    def nms(boxes, scores, *rest):
        return batched_nms(boxes, scores.float(), *rest)

    def cross_entropy(logits, labels, **options):
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), **options)

    proposal_utils.batched_nms = fast_rcnn.batched_nms = nms
    rpn.F = types.SimpleNamespace(**vars(torch.nn.functional) | {"binary_cross_entropy_with_logits": cross_entropy})


def detector(name):
    config = model_zoo.get_config(f"COCO-Detection/faster_rcnn_{name}_1x.yaml")
    _, _, proposals, units = DETECTORS[name]
    # Of RPN and RoI heads every candidate learns, so that nothing is random.
    options = {"MODEL.DEVICE": "cpu", "MODEL.RPN.PRE_NMS_TOPK_TEST": 300, "MODEL.RPN.POST_NMS_TOPK_TEST": proposals,
               "MODEL.RPN.PRE_NMS_TOPK_TRAIN": 200, "MODEL.RPN.POST_NMS_TOPK_TRAIN": TRAINING_PROPOSALS,
               "MODEL.RPN.BATCH_SIZE_PER_IMAGE": EVERYTHING, "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE": EVERYTHING,
               "MODEL.ROI_HEADS.POSITIVE_FRACTION": 0.5}
    if units:
        options["MODEL.ROI_BOX_HEAD.FC_DIM"] = units
    config.merge_from_list([item for option in options.items() for item in option])
    return build_model(config)


def resized(image, min_size, max_size):
    """uint8 [H, W, 3] RGB to float [3, h, w] BGR, as DefaultPredictor and DatasetMapper do it; and how."""
    pixels = np.ascontiguousarray(image.numpy()[:, :, ::-1])
    transform = ResizeShortestEdge([min_size, min_size], max_size).get_transform(pixels)
    return torch.as_tensor(transform.apply_image(pixels).astype("float32").transpose(2, 0, 1)), transform


def inputs(images, min_size, max_size):
    return [{"image": resized(image, min_size, max_size)[0], "height": image.shape[0], "width": image.shape[1]}
            for image in images]


def training_inputs(images, boxes, labels):
    """The same with boxes [M, 4] in the image's pixels and their labels 1..C."""
    result = []
    for image, box, label in zip(images, boxes, labels):
        pixels, transform = resized(image, *TRAINING_SIZE)
        truth = Instances(pixels.shape[-2:])
        truth.gt_boxes = Boxes(torch.as_tensor(transform.apply_box(box.double().numpy())))
        truth.gt_classes = label - 1
        result.append({"image": pixels, "instances": truth})
    return result


def divided_by_samples(generator):
    """Lets the RPN divide its losses by as many anchors as were sampled, which rcnn does: detectron2 divides by
    RPN.BATCH_SIZE_PER_IMAGE, as many unless an image has fewer to give."""
    losses = generator.losses

    def divided(anchors, logits, labels, *rest):
        generator.batch_size_per_image = sum((label >= 0).sum().item() for label in labels) / len(labels)
        return losses(anchors, logits, labels, *rest)

    generator.losses = divided


def some_truth(images, classes):
    torch.manual_seed(11)
    boxes, labels = [], []
    for image, count in zip(images, (3, 5, 2)):
        corner, side = torch.rand(count, 2) * 0.6, 0.15 + torch.rand(count, 2) * 0.25
        boxes.append(torch.cat([corner, corner + side], 1) * torch.tensor([image.shape[1], image.shape[0]] * 2))
        labels.append(torch.randint(1, classes + 1, (count,)))
    return boxes, labels


def losses_and_gradients(model, batch):
    model.train()
    divided_by_samples(model.proposal_generator)
    with EventStorage():
        losses = model(batch)
    sum(losses.values()).backward()
    gradients = {name: p.grad.float() for name, p in model.named_parameters() if p.requires_grad}
    return torch.stack([losses[name].detach() for name in LOSSES]), gradients


def write_detector(name, photographs, output, write):
    """Photographs that shrink, grow, and shrink in height above all, in one batch."""
    in_float64()
    images = [photographs[0], photographs[1][:150, :190], photographs[2][:, 100:220]]
    images = [image.contiguous() for image in images]
    min_size, max_size, proposals, units = DETECTORS[name]
    batch = inputs(images, min_size, max_size)
    with torch.no_grad():
        model = parity_models.randomize(detector(name).eval(), 0, lambda m: m(batch))
        torch.save({"model": parity_models.half_state(model)}, output / f"detectron2_{name}.weights.pth")
        found = [result["instances"] for result in model.double()(batch)]
    sizes = dict(min_size=min_size, max_size=max_size, proposals=proposals, hidden=units or 0, seed=0)
    tensors = {}
    for i, (image, instances) in enumerate(zip(images, found)):
        tensors |= {f"image.{i}": image, f"boxes.{i}": instances.pred_boxes.tensor, f"scores.{i}": instances.scores.float(),
                    f"labels.{i}": instances.pred_classes + 1}
    write(output / f"detectron2_{name}.golden.safetensors", tensors, **sizes)

    boxes, labels = some_truth(images, model.roi_heads.num_classes)
    losses, gradients = losses_and_gradients(model, training_inputs(images, boxes, labels))
    tensors = {"losses": losses} | {f"gradient.{key}": value for key, value in gradients.items()}
    for i, (image, box, label) in enumerate(zip(images, boxes, labels)):
        tensors |= {f"image.{i}": image, f"boxes.{i}": box, f"labels.{i}": label}
    training = dict(min_size=TRAINING_SIZE[0], max_size=TRAINING_SIZE[1], proposals=TRAINING_PROPOSALS, hidden=units or 0)
    write(output / f"detectron2_{name}.training.golden.safetensors", tensors, **training)
    print(f"detectron2 {name}: {[len(instances) for instances in found]} detections, losses {losses.tolist()}", flush=True)
