"""Small random data sets and the errors that TIDE finds in them: writes tests/fixtures/error_breakdown.safetensors.

Needs tidecv 1.0.1 (pip install tidecv) besides pycocotools.

The sets are those of make_coco_map.py without crowds, which tidecv 1.0.1 leaves out of its AP and counts as errors all the
same, and without equal scores, whose order differs between its AP and the mended ones. Of set N: N.categories, N.truths
and N.detections as there; N.errors float64 [13]: AP50, the counts and the gains of localisation, classification,
duplicate, background, both and missed.
"""

import pathlib

import numpy as np
from safetensors.numpy import save_file
from tidecv import TIDE, BackgroundError, BoxError, ClassError, Data, DuplicateError, MissedError, OtherError

from make_coco_map import SEED, random_set

ERRORS = [BoxError, ClassError, DuplicateError, BackgroundError, OtherError, MissedError]


def measure(images, categories, truths, detections):
    ground_truth, results = Data("truths"), Data("detections")
    for category in categories:
        ground_truth.add_class(category, str(category))
    for image in images:
        ground_truth.add_image(image, str(image))
    for image, category, *box, _area, _crowd, _id in truths:
        ground_truth.add_ground_truth(image, category, box)
    for image, category, *box, score in detections:
        results.add_detection(image, category, score, box)
    run = TIDE().evaluate(ground_truth, results, mode=TIDE.BOX)
    counts, gains = run.count_errors(), run.fix_main_errors()
    return [run.ap / 100] + [counts[error] for error in ERRORS] + [gains[error] / 100 for error in ERRORS]


def main():
    path = pathlib.Path(__file__).parent.parent / "fixtures" / "error_breakdown.safetensors"
    rng = np.random.default_rng(SEED)
    tensors = {}
    for number in range(20):
        images, categories, truths, detections = random_set(rng)
        truths = [truth for truth in truths if not truth[7]]
        scores = rng.permutation(len(detections)) / len(detections)
        detections = [detection[:6] + [score] for detection, score in zip(detections, scores)]
        tensors[f"{number}.categories"] = np.array(categories, np.int64)
        tensors[f"{number}.truths"] = np.array(truths, np.float64).reshape(-1, 9)
        tensors[f"{number}.detections"] = np.array(detections, np.float64)
        tensors[f"{number}.errors"] = np.array(measure(images, categories, truths, detections), np.float64)
    save_file(tensors, path, metadata={"tidecv": "1.0.1", "numpy": np.__version__, "seed": str(SEED)})


if __name__ == "__main__":
    main()
