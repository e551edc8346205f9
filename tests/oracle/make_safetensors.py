"""Writes tests/fixtures/safetensors.safetensors with the reference implementation of the format.

Values are simple enough to be repeated in tests/io/safetensors_test.cpp.
"""

import pathlib

import safetensors
import safetensors.torch
import torch

tensors = {
    "f32": torch.tensor([[0.5, -1.0, 2.0], [3.0, 1e-30, float("inf")]]),
    "f16": torch.tensor([0.5, -2.0, 65504.0], dtype=torch.float16),
    "bf16": torch.tensor([1.0, -3.0], dtype=torch.bfloat16),
    "i64": torch.tensor([-1, 2**62]),
    "bool": torch.tensor([True, False, True]),
    "empty": torch.zeros(0, 4),
    "scalar": torch.tensor(7, dtype=torch.int32),
    "ü\"\n": torch.tensor([255, 0, 1], dtype=torch.uint8),
}
metadata = {"versions": f"torch {torch.__version__}, safetensors {safetensors.__version__}"}

file = pathlib.Path(__file__).parents[1] / "fixtures" / "safetensors.safetensors"
file.parent.mkdir(exist_ok=True)
safetensors.torch.save_file(tensors, file, metadata)
