"""Writes tests/fixtures/necks.json: outputs and gradients of mmdetection's FPN, PAFPN and NASFPN and of effdet's BiFPN.

Weights and inputs are formulas of their indices, the same here and in tests/nn/necks/oracle.h, and everything is float64, so
that only results are stored: of each output and each gradient its norm and its product with a cosine.

Usage: python tests/oracle/make_necks.py MMDET MMCV EFFDET
MMDET holds mmdet 3.3.0, mmengine 0.10.7, mmcv-lite 2.1.0 with what they import, and omegaconf; EFFDET holds effdet 0.4.1 and
timm (all: pip install --no-deps --target); MMCV is mmcv 2.1.0's unpacked source archive, whose merging cells mmcv-lite lacks.
"""
import json
import pathlib
import sys

import torch

import mmdet_operators
from formulas import golden, halves

MMDET, MMCV, EFFDET = sys.argv[1:]
FIXTURE = pathlib.Path(__file__).parent.parent / "fixtures" / "necks.json"


def judges():
    sys.path.insert(0, EFFDET)
    mmdet_operators.use(MMDET, MMCV)
    from effdet.config import get_efficientdet_config
    from effdet.efficientdet import BiFpn
    from mmdet.models.necks import FPN, NASFPN, PAFPN

    return FPN, PAFPN, NASFPN, BiFpn, get_efficientdet_config


def pyramid_name(name, levels):
    """FPN's and PAFPN's names to ours, over `levels` maps, the coarsest of which is c5."""
    kind, number, layer, leaf = name.split(".")
    number = int(number)
    norm = layer in ("bn", "gn")
    if kind == "fpn_convs" and number >= levels:
        return f"extra_blocks.p{6 + number - levels}{'_norm' if norm else ''}.{leaf}"
    ours = {"lateral_convs": "inner_blocks", "fpn_convs": "layer_blocks", "downsample_convs": "downsample_blocks",
            "pafpn_convs": "output_blocks"}[kind]
    return f"{ours}.{number}.{int(norm)}.{leaf}"


def bifpn_name(name, finest, coarsest, maps):
    """effdet's names to ours, which are mmdetection's: `maps` come in, levels are finest..coarsest."""
    parts = name.split(".")
    leaf = parts[-1]
    layer = {"conv": "down_conv", "bn": "bn"}
    if parts[0] == "resample":  # resample.3.conv.conv.weight
        return f"0.p{finest + maps - 1}_to_p{finest + maps}.0.{layer[parts[3]]}.{leaf}"
    repeat, node = parts[1], int(parts[3])
    levels = coarsest - finest + 1
    up = node < levels - 1
    level = coarsest - 1 - node if up else finest + 1 + node - (levels - 1)
    if parts[5] == "edge_weights":
        return f"{repeat}.p{level}_w{1 if up else 2}"
    if parts[4] == "combine":  # cell.0.fnode.2.combine.resample.0.conv.bn.weight
        return f"{repeat}.p{level}_{'down_channel' if up else 'level_connection'}.{layer[parts[8]]}.{leaf}"
    conv = {"conv_dw": "depthwise_conv", "conv_pw": "pointwise_conv", "conv": "conv", "bn": "bn"}[parts[6]]
    return f"{repeat}.conv{level}_{'up' if up else 'down'}.{conv}.{leaf}"


def main():
    FPN, PAFPN, NASFPN, BiFpn, get_efficientdet_config = judges()
    four, four_sizes = [4, 6, 8, 10], halves(22, 28, 4)
    three = [4, 6, 10]
    batch, group, relu = dict(type="BN"), dict(type="GN", num_groups=4), dict(type="ReLU")
    cases = {}

    def pyramid(key, kind, config, **options):
        neck = kind(four, 8, **options)
        cases[key] = {"config": config, **golden(neck, four, four_sizes, lambda name: pyramid_name(name, 4))}

    def extra(source, relu, **more):
        return {"extra_levels": {"type": "conv", "source": source, "relu": relu, **more}}

    # no_norm_on_lateral aside these are all of FPN's options.
    pyramid("fpn", FPN, {"type": "fpn"}, num_outs=5)
    pyramid("fpn_on_input", FPN, {"type": "fpn", **extra("input", False)}, num_outs=6, add_extra_convs="on_input")
    pyramid("fpn_on_lateral", FPN, {"type": "fpn", "norm": "group", "norm_groups": 4,
                                    **extra("lateral", True, norm="group", norm_groups=4)},
            num_outs=6, add_extra_convs="on_lateral", relu_before_extra_convs=True, norm_cfg=group)
    pyramid("fpn_on_output", FPN, {"type": "fpn", "norm": "batch", **extra("output", True, norm="batch")},
            num_outs=6, add_extra_convs="on_output", relu_before_extra_convs=True, norm_cfg=batch)
    pyramid("pafpn", PAFPN, {"type": "panet", "form": "pafpn"}, num_outs=5)
    pyramid("pafpn_rectified", PAFPN, {"type": "panet", "form": "pafpn", "activation": "relu", "norm": "batch"},
            num_outs=6, norm_cfg=batch, act_cfg=relu)
    cases["pafpn_rectified"]["config"]["extra_levels"] = {"count": 2}

    def nas(key, config, sizes, **options):
        neck = NASFPN(three, 8, num_outs=5, **options)
        cases[key] = {"config": {"type": "nas_fpn", "global_pooling": "average", "extra_levels": {"type": "conv"}, **config},
                      **golden(neck, three, sizes, lambda name: name)}

    nas("nas_fpn", {"stacks": 2}, halves(32, 48, 3), stack_times=2, norm_cfg=batch)
    nas("nas_fpn_plain", {"stacks": 1, "norm": "none"}, halves(16, 32, 3), stack_times=1)

    def bifpn(key, config, channels, finest, image, separable=True, method="fastattn", repeats=2):
        options = get_efficientdet_config("tf_efficientdet_d0")
        options.update(fpn_channels=8, fpn_cell_repeats=repeats, image_size=image, min_level=finest, max_level=7,
                       num_levels=8 - finest, separable_conv=separable, pad_type="same", norm_layer=None,
                       norm_kwargs=dict(eps=0.001, momentum=0.01), fpn_name=f"bifpn_{'fa' if method == 'fastattn' else 'sum'}")
        sizes = halves(*image, 8)[finest:][:len(channels)]
        neck = BiFpn(options, [dict(num_chs=c) for c in channels])
        cases[key] = {"config": {"type": "bifpn", "repeats": repeats, **config},
                      **golden(neck, channels, sizes, lambda name: bifpn_name(name, finest, 7, len(channels)))}

    bifpn("bifpn", {}, three, 3, (184, 200))  # sides of either parity
    # Here c3 has the channels already.
    bifpn("bifpn_plain", {"conv": "plain", "fusion": "sum"}, [8, 6, 10], 3, (256, 128), False, "sum")
    bifpn("bifpn_from_p2", {}, four, 2, (120, 90), repeats=1)

    for key, case in cases.items():
        case["config"].update(channels=8)
        print(key, case["parameters"], case["shapes"], case["outputs"][0])
    FIXTURE.write_text(json.dumps({"torch": torch.__version__, "cases": cases}) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
