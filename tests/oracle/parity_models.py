"""Detectors with random weights under which they behave like trained ones: activations of order one in
every layer, scores and boxes that differ from place to place, hundreds of detections before the last limit.

All weights are rounded to float16, so that files of half the size hold them exactly.
"""
import copy

import torch
from torch import nn
from torchvision import models
from torchvision.models.detection import FasterRCNN, fasterrcnn_resnet50_fpn_v2
from torchvision.models.detection._utils import overwrite_eps
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

CLASSES = 91
# What the outputs of the last layers shall spread by. Softmax over 91 logits of this spread passes 0.05 often. rcnn ranks
# anchors by probability in float32 whatever the network's precision: where many are near 1, they would be equal.
SPREAD = {"rpn.head.cls_logits": 0.5, "rpn.head.bbox_pred": 0.25,
          "proposal_generator.rpn_head.objectness_logits": 0.5, "proposal_generator.rpn_head.anchor_deltas": 0.25,
          "roi_heads.box_predictor.cls_score": 2.0, "roi_heads.box_predictor.bbox_pred": 1.0}


def detector(name, **options):
    """The constructor `name`, set up as it is for weights that were trained, first stages frozen."""
    if name == "fasterrcnn_resnet50_fpn_v2":
        model = fasterrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, **options)
        for parameter_name, parameter in model.backbone.body.named_parameters():
            parameter.requires_grad_(not parameter_name.startswith(("conv1", "bn1", "layer1")))
        return model
    body = name.removeprefix("fasterrcnn_").removesuffix("_fpn")
    model = FasterRCNN(resnet_fpn_backbone(backbone_name=body, weights=None), CLASSES, **options)
    if name == "fasterrcnn_resnet50_fpn":
        overwrite_eps(model, 0.0)  # as for COCO_V1
    return model


def classifier(name):
    return getattr(models, name)(weights=None)


def is_norm(module):
    return type(module).__name__ in ("BatchNorm2d", "FrozenBatchNorm2d")  # torchvision's or detectron2's


@torch.no_grad()
def randomize(model, seed, forward):
    """Draws the norms' weights, then takes their statistics and the last layers' scale from one pass, forward(model),
    layer after layer."""
    torch.manual_seed(seed)
    hooks = []

    def measure(norm, inputs):
        x = inputs[0]
        norm.running_var.copy_(x.var((0, 2, 3)) * (0.8 + 0.4 * torch.rand_like(norm.running_var)))
        norm.running_mean.copy_(x.mean((0, 2, 3)) + 0.1 * norm.running_var.sqrt() * torch.randn_like(norm.running_mean))

    def spread(target):
        def rescale(layer, inputs, output):
            factor = target / output.std()
            layer.weight.mul_(factor)
            layer.bias.copy_(0.1 * target * torch.randn_like(layer.bias))
            return layer._conv_forward(inputs[0], layer.weight, layer.bias) if isinstance(layer, nn.Conv2d) \
                else nn.functional.linear(inputs[0], layer.weight, layer.bias)
        return rescale

    for name, module in model.named_modules():
        if is_norm(module):
            # The last norm of a residual block is small, as it is after training: a random network of large residuals is
            # chaotic, and blows the last digit up a thousandfold.
            last = name.endswith((".bn3", ".conv3.norm")) or name.endswith(".bn2") and not hasattr(model.get_submodule(name.rpartition(".")[0]), "bn3")
            module.weight.uniform_(*((0.05, 0.2) if last else (0.5, 1.5)))
            module.bias.normal_(0, 0.1)
            hooks.append(module.register_forward_pre_hook(measure))
        elif name in SPREAD:
            hooks.append(module.register_forward_hook(spread(SPREAD[name])))
        elif isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
            module.bias.normal_(0, 0.05)
    model.eval()
    forward(model)
    for hook in hooks:
        hook.remove()
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.half())
    return model


@torch.no_grad()
def shaken(model, seed, relative=4e-7):
    """A copy whose weights are off by some times the rounding of float32."""
    torch.manual_seed(seed)
    copied = copy.deepcopy(model)
    for tensor in copied.state_dict().values():
        if tensor.is_floating_point():
            tensor.mul_(1 + relative * torch.randn_like(tensor))
    return copied


def half_state(model):
    return {name: tensor.half() if tensor.is_floating_point() else tensor
            for name, tensor in model.state_dict().items()}
