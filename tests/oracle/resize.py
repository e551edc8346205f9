"""Writes tests/fixtures/resize.json: what torchvision's detection transform makes of image sizes and of pixels."""

import json
import pathlib

import torch
import torchvision
from torchvision.models.detection.transform import GeneralizedRCNNTransform

SEED = 0
SIZES = [(1, 1), (1, 7), (480, 640), (640, 480), (375, 500), (500, 333), (486, 500), (192, 256), (427, 640), (800, 1333),
         (801, 1334), (1333, 800), (600, 1000), (599, 1001), (3000, 4000), (100, 5000), (333, 333), (719, 1279), (17, 31)]
RULES = [(800, 1333), (600, 1000), (192, 256), (320, 320), (127, 1000)]


def resized(image, min_size, max_size):
    transform = GeneralizedRCNNTransform(min_size, max_size, [0.0] * 3, [1.0] * 3, size_divisible=1)
    transform.eval()
    return transform.resize(image, None)[0]


def main():
    generator = torch.Generator().manual_seed(SEED)
    sizes = []
    for height, width in SIZES + torch.randint(50, 900, (40, 2), generator=generator).tolist():
        for min_size, max_size in RULES:
            out = resized(torch.zeros(1, height, width), min_size, max_size)
            sizes.append([height, width, min_size, max_size, *out.shape[-2:]])

    pixels = []
    for height, width, min_size, max_size in [(5, 7, 11, 100), (9, 13, 4, 100), (8, 12, 4, 100), (6, 6, 9, 9)]:
        image = torch.randint(0, 256, (height, width, 3), generator=generator, dtype=torch.uint8)
        out = resized(image.permute(2, 0, 1).float(), min_size, max_size).permute(1, 2, 0)
        pixels.append({"image": image.tolist(), "resized": [[[round(v, 3) for v in p] for p in r] for r in out.tolist()]})

    fixture = {"torch": torch.__version__, "torchvision": torchvision.__version__, "seed": SEED,
               "sizes": sizes, "pixels": pixels}
    path = pathlib.Path(__file__).parent.parent / "fixtures" / "resize.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(fixture, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
