"""Writes tests/fixtures/deform_conv.json: outputs and gradients of torchvision's deform_conv2d.

Inputs are formulas of their indices, the same here and in tests/ops/deform_conv_test.cpp, and everything is float64, so that
only results are stored: of each its norm and its product with a cosine.

Usage: python tests/oracle/make_deform_conv.py
"""
import json
import pathlib

import torch
import torchvision

FIXTURE = pathlib.Path(__file__).parent.parent / "fixtures" / "deform_conv.json"


def values(shape, stream):
    """Multiples of 1 / 10007 in [-1, 1)."""
    i = torch.arange(torch.Size(shape).numel())
    return ((31 * i * i + 7919 * i + 104729 * stream) % 20014 - 10007).double().div(10007).view(shape)


def summary(tensor):
    flat = tensor.detach().flatten()
    return [flat.norm().item(), (flat @ torch.cos(0.3 * torch.arange(flat.numel()).double())).item()]


def golden(reach, step, channels=(4, 6), size=(7, 6), kernel=(3, 3), stride=(1, 1), padding=(1, 1), dilation=(1, 1),
           groups=1, offset_groups=1, bias=True):
    """Offsets of up to `reach` cells, rounded to whole multiples of `step` unless that is 0."""
    inputs, outputs = channels
    out = [(side + 2 * p - d * (k - 1) - 1) // s + 1
           for side, p, d, k, s in zip(size, padding, dilation, kernel, stride)]
    offset = reach * values((2, 2 * offset_groups * kernel[0] * kernel[1], *out), 2)
    if step:
        offset = torch.round(offset / step) * step
    operands = {"input": values((2, inputs, *size), 1), "offset": offset,
                "weight": values((outputs, inputs // groups, *kernel), 3)}
    if bias:
        operands["bias"] = values((outputs,), 4)
    for operand in operands.values():
        operand.requires_grad_()
    result = torchvision.ops.deform_conv2d(**operands, stride=stride, padding=padding, dilation=dilation)
    (result * values(result.shape, 5)).sum().backward()
    return {"reach": reach, "step": step, "channels": channels, "size": size, "kernel": kernel, "stride": stride,
            "padding": padding, "dilation": dilation, "groups": groups, "offset_groups": offset_groups, "bias": bias,
            "shape": list(result.shape), "output": summary(result),
            "gradients": {name: summary(operand.grad) for name, operand in operands.items()}}


def main():
    cases = {
        "plain": golden(1.5, 0),
        "far": golden(12, 0),
        "zero": golden(0, 0),
        "whole": golden(3, 1),
        "halves": golden(3, 0.5, bias=False),
        "stride": golden(1.5, 0, stride=(2, 2)),
        "dilation": golden(1.5, 0, padding=(3, 3), dilation=(3, 3)),
        "stride_dilation": golden(1.5, 0, stride=(2, 2), padding=(3, 3), dilation=(3, 3)),
        "groups": golden(1.5, 0, groups=2),
        "offset_groups": golden(1.5, 0, offset_groups=4),
        "both_groups": golden(1.5, 0, channels=(12, 4), groups=4, offset_groups=3),
        "oblong": golden(2, 0, kernel=(2, 5), stride=(1, 3), padding=(0, 4), dilation=(2, 1), bias=False),
        "point": golden(1, 0, size=(1, 1), kernel=(1, 1), padding=(0, 0)),
        "one_cell": golden(1.5, 0, size=(1, 1)),
    }
    for name, case in cases.items():
        print(name, case["shape"], case["output"])
    FIXTURE.write_text(json.dumps({"torch": torch.__version__, "torchvision": torchvision.__version__,
                                   "cases": cases}) + "\n")


if __name__ == "__main__":
    main()
