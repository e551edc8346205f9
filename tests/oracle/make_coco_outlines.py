"""Writes tests/fixtures/coco_outlines.json: random masks as pycocotools' run lengths, and the boxes around them.

Usage: python tests/oracle/make_coco_outlines.py
"""
import json
import pathlib

import numpy as np
from pycocotools import mask

FIXTURE = pathlib.Path(__file__).parent.parent / "fixtures" / "coco_outlines.json"
SEED = 20


def random_mask(rng):
    """A rectangle, an ellipse or single pixels; sometimes nothing, all, or columns that end at the lower edge."""
    height, width = rng.integers(1, 90, 2)
    y, x = np.mgrid[:height, :width]
    kind = rng.integers(6)
    x0, x1 = sorted(rng.integers(0, width + 1, 2))
    y0, y1 = sorted(rng.integers(0, height + 1, 2))
    if kind == 0:
        found = (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
    elif kind == 1:
        found = ((x - width / 2) / width) ** 2 + ((y - height / 2) / height) ** 2 < rng.random() / 4
    elif kind == 2:
        found = rng.random((height, width)) < 0.02
    elif kind == 3:
        found = (x >= x0) & (x < x1) & (y >= y0)
    else:
        found = np.full((height, width), kind == 4)
    return np.asfortranarray(found.astype(np.uint8))


def counts_of(found):
    """Uncompressed: how many pixels, column by column, are of the background, of the object, and so on."""
    pixels = found.ravel(order="F")
    ends = np.flatnonzero(np.diff(pixels)) + 1
    lengths = np.diff(np.concatenate([[0], ends, [pixels.size]])).tolist()
    return [0, *lengths] if pixels[0] else lengths


def main():
    rng = np.random.default_rng(SEED)
    cases = []
    for _ in range(60):
        found = random_mask(rng)
        compressed = mask.encode(found)
        again = mask.frPyObjects({"size": list(found.shape), "counts": counts_of(found)}, *found.shape)
        assert again["counts"] == compressed["counts"]
        cases.append({"size": list(found.shape), "counts": counts_of(found), "compressed": compressed["counts"].decode(),
                      "box": mask.toBbox(compressed).tolist()})
    FIXTURE.write_text(json.dumps({"seed": SEED, "cases": cases}) + "\n")


if __name__ == "__main__":
    main()
