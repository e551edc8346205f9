"""Writes tests/fixtures/necks.json: outputs and gradients of mmdetection's FPN, PAFPN and NASFPN and of effdet's BiFPN.

Weights and inputs are formulas of their indices, the same here and in tests/nn/necks/oracle.h, and everything is float64, so
that only results are stored: of each output and each gradient its norm and its product with a cosine.

Usage: python tests/oracle/make_necks.py MMDET MMCV EFFDET
MMDET holds mmdet 3.3.0, mmengine 0.10.7, mmcv-lite 2.1.0 with what they import, and omegaconf; EFFDET holds effdet 0.4.1 and
timm (all: pip install --no-deps --target); MMCV is mmcv 2.1.0's unpacked source archive, whose merging cells mmcv-lite lacks.
"""
import importlib.abc
import importlib.machinery
import importlib.util
import json
import pathlib
import sys
import types

import numpy as np
import torch

MMDET, MMCV, EFFDET = sys.argv[1:]
FIXTURE = pathlib.Path(__file__).parent.parent / "fixtures" / "necks.json"


class Operators(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """mmcv's compiled operators, none of which is used here, and its merging cells, which are Python."""

    def find_spec(self, name, path=None, target=None):
        if name == "mmcv.ops.merge_cells":
            return importlib.util.spec_from_file_location(name, f"{MMCV}/mmcv/ops/merge_cells.py")
        if name == "mmcv.ops" or name.startswith("mmcv.ops."):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.__getattr__ = lambda name: type(name, (torch.nn.Module,), {}) if not name.startswith("__") else None
        return module

    def exec_module(self, module):
        pass


def judges():
    sys.path[:0] = [MMDET, EFFDET]
    sys.meta_path.insert(0, Operators())
    import mmcv.cnn.bricks.transformer as transformer

    transformer.MultiScaleDeformableAttention = type("MultiScaleDeformableAttention", (torch.nn.Module,), {})
    from effdet.config import get_efficientdet_config
    from effdet.efficientdet import BiFpn
    from mmdet.models.necks import FPN, NASFPN, PAFPN

    return FPN, PAFPN, NASFPN, BiFpn, get_efficientdet_config


def noise(count, stream):
    """Uniform numbers in [-1, 1) by an integer hash, the same on every machine."""
    h = (np.arange(count, dtype=np.uint64) * 2654435761 + stream * 40503 + 12345) & 0xFFFFFFFF
    for shift, factor in ((15, 2246822519), (13, 3266489917)):
        h = ((h ^ (h >> np.uint64(shift))) * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
    return (h ^ (h >> np.uint64(16))).astype(np.float64) / 2**31 - 1


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


def fill(state):
    """`state`: tensors by our names."""
    for stream, name in enumerate(sorted(state)):
        tensor = state[name]
        values = noise(tensor.numel(), stream)
        if tensor.dim() > 1:
            values = values * np.sqrt(3 * tensor.shape[0] / tensor.numel())
        elif name.endswith(("_w1", "_w2")):
            values = 0.7 + values  # some are negative
        elif name.endswith(("running_var", "weight")):
            values = 1 + 0.2 * values
        else:
            values = 0.1 * values
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(values).view(tensor.shape))


def summary(tensor):
    flat = tensor.detach().contiguous().flatten()
    return [flat.norm().item(), (flat @ torch.from_numpy(np.cos(0.3 * np.arange(len(flat))))).item()]


def golden(neck, channels, sizes, rename):
    """With the statistics of the batch outputs and gradients of the sum of all numbers of all maps, each with its cosine;
    then outputs by what the norms have kept."""
    neck = neck.double()
    state = {rename(k): v for k, v in neck.state_dict().items() if not k.endswith("num_batches_tracked")}
    fill(state)
    maps = [torch.from_numpy(noise(2 * c * h * w, 1000 + i)).view(2, c, h, w).requires_grad_()
            for i, (c, (h, w)) in enumerate(zip(channels, sizes))]
    neck.train()
    outputs = neck(list(maps))
    sum((o.flatten() * torch.from_numpy(np.cos(0.3 * np.arange(o.numel())))).sum() for o in outputs).backward()
    neck.eval()
    with torch.no_grad():
        later = neck(list(maps))
    return {
        "channels": channels, "sizes": sizes, "parameters": sum(p.numel() for p in neck.parameters()),
        "shapes": [list(o.shape) for o in outputs],
        "outputs": [summary(o) for o in outputs], "later": [summary(o) for o in later],
        "input_gradients": [summary(m.grad) for m in maps],
        "gradients": {rename(k): summary(p.grad) for k, p in neck.named_parameters()}}


def halves(height, width, count):
    """Sizes of maps, each rounded up from half of the one before."""
    sizes = [(height, width)]
    while len(sizes) < count:
        sizes.append(tuple((side + 1) // 2 for side in sizes[-1]))
    return sizes


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
