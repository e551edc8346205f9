"""Writes tests/fixtures/color.json: torchvision's adjustments of a uint8 image's colours by fixed factors."""

import json
import pathlib

import torch
import torchvision
from torchvision.transforms import functional

SEED = 0
FACTORS = {"brightness": [0.0, 0.35, 1.0, 1.7], "contrast": [0.0, 0.6, 1.0, 1.9], "saturation": [0.0, 0.45, 1.0, 2.5],
           "hue": [-0.5, -0.21, 0.0, 0.07, 0.5]}


def main():
    generator = torch.Generator().manual_seed(SEED)
    image = torch.randint(0, 256, (3, 13, 17), generator=generator, dtype=torch.uint8)
    # Corners of the cube, greys, and two equal channels: the branches of hue.
    special = [(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255),
               (255, 0, 255), (77, 77, 77), (9, 9, 8), (8, 9, 9), (9, 8, 9), (1, 0, 0), (254, 255, 255)]
    image[:, 0, :len(special)] = torch.tensor(special, dtype=torch.uint8).T
    as_list = lambda pixels: pixels.permute(1, 2, 0).tolist()
    cases = [{"what": what, "factor": factor, "image": as_list(getattr(functional, f"adjust_{what}")(image, factor))}
             for what, factors in FACTORS.items() for factor in factors]
    fixture = {"torchvision": torchvision.__version__, "seed": SEED, "image": as_list(image), "cases": cases}
    path = pathlib.Path(__file__).parent.parent / "fixtures" / "color.json"
    path.write_text(json.dumps(fixture, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
