"""Writes tests/fixtures/resize.json: what torchvision's detection transform makes of image sizes and of pixels; and under
"pillow" and "opencv" the sizes of detectron2's ResizeShortestEdge and mmcv's rescale_size, and these libraries' bytes.

Needs what tools/test.sh installs, and mmcv-lite==2.1.0 with mmengine, addict, yapf and rich.
"""

import json
import pathlib

import cv2
import detectron2_parity
import numpy as np
import PIL
import torch
import torchvision
from mmcv.image import rescale_size
from PIL import Image
from torchvision.models.detection.transform import GeneralizedRCNNTransform

SEED = 0
SIZES = [(1, 1), (1, 7), (480, 640), (640, 480), (375, 500), (500, 333), (486, 500), (192, 256), (427, 640), (800, 1333),
         (801, 1334), (1333, 800), (600, 1000), (599, 1001), (3000, 4000), (100, 5000), (333, 333), (719, 1279), (17, 31)]
RULES = [(800, 1333), (600, 1000), (192, 256), (320, 320), (127, 1000)]
# From and to: both axes larger and smaller, one of them, halved, columns first, one pixel.
BYTES = [(5, 7, 11, 9), (9, 13, 4, 6), (6, 9, 4, 14), (5, 8, 5, 3), (8, 12, 4, 6), (12, 4, 5, 3), (1, 6, 3, 2), (6, 1, 2, 5)]


def shortest_edge(height, width, min_size, max_size):
    return detectron2_parity.ResizeShortestEdge.get_output_shape(height, width, min_size, max_size)


def rescaled(height, width, min_size, max_size):
    return rescale_size((width, height), (max_size, min_size))[::-1]


def by_pillow(image, height, width):
    return np.asarray(Image.fromarray(image).resize((width, height), Image.BILINEAR))


def by_opencv(image, height, width):
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


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
    random = np.random.default_rng(SEED)
    for peer, version, size_of, bytes_of in (("pillow", PIL.__version__, shortest_edge, by_pillow),
                                             ("opencv", cv2.__version__, rescaled, by_opencv)):
        # What they would make empty is no image to them.
        sizes_of_peer = [[*row[:4], *size] for row in sizes if min(size := size_of(*row[:4])) > 0]
        pixels_of_peer = []
        for height, width, *size in BYTES:
            image = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
            pixels_of_peer.append({"image": image.tolist(), "resized": bytes_of(image, *size).tolist()})
        fixture[peer] = {"version": version, "sizes": sizes_of_peer, "pixels": pixels_of_peer}
    path = pathlib.Path(__file__).parent.parent / "fixtures" / "resize.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(fixture, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
