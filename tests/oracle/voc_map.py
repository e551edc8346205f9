"""Writes tests/fixtures/voc_map.json: random scenes and the devkit's average precisions of them.

Written from VOCevaldet.m and py-faster-rcnn's voc_eval.py, in their coordinates (1-based corners, both inside the box)
and with their +1 widths, to show that exclusive corners need none. IoU >= threshold as in VOCevaldet.m; recall levels
are compared exactly, where the two differ by rounding.
"""

import json
import pathlib

import numpy as np

SEED = 0
CASES = 24


def average_precisions(images, label, threshold):
    """(points11, area) of one class; (None, None) when it has no ground truth that counts."""
    truths = [np.array([t[:4] for t in truths if t[4] == label], dtype=float).reshape(-1, 4) + [1, 1, 0, 0]
              for truths, _ in images]
    difficult = [np.array([t[5] for t in truths if t[4] == label], dtype=bool) for truths, _ in images]
    positives = int(sum((~d).sum() for d in difficult))
    if positives == 0:
        return None, None
    rows = [(d[4], i, d[:4]) for i, (_, detections) in enumerate(images) for d in detections if d[5] == label]
    order = np.argsort([-row[0] for row in rows], kind="stable").astype(int)

    found = [np.zeros(len(d), dtype=bool) for d in difficult]
    tp, fp = np.zeros(len(rows), dtype=int), np.zeros(len(rows), dtype=int)
    for place, k in enumerate(order):
        _, image, box = rows[k]
        box, gt = np.array(box) + [1, 1, 0, 0], truths[image]
        best = -np.inf
        if len(gt):
            low, high = np.maximum(gt[:, :2], box[:2]), np.minimum(gt[:, 2:], box[2:])
            sides = np.maximum(high - low + 1, 0)
            inter = sides.prod(axis=1)
            union = (box[2:] - box[:2] + 1).prod() + (gt[:, 2:] - gt[:, :2] + 1).prod(axis=1) - inter
            iou = inter / union
            nearest = iou.argmax()
            best = iou[nearest] if inter[nearest] > 0 else -np.inf
        if best < threshold:
            fp[place] = 1
        elif not difficult[image][nearest]:
            (fp if found[image][nearest] else tp)[place] = 1
            found[image][nearest] = True

    tp, fp = tp.cumsum(), fp.cumsum()
    recall, precision = tp / positives, tp / np.maximum(tp + fp, np.finfo(float).eps)
    points11 = np.mean([precision[10 * tp >= level * positives].max(initial=0) for level in range(11)])

    recall, precision = np.r_[0, recall, 1], np.r_[0, precision, 0]
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.flatnonzero(np.diff(recall))
    area = ((recall[steps + 1] - recall[steps]) * precision[steps + 1]).sum()
    return float(points11), float(area)


def random_box(random):
    """On a coarse grid, so that equal IoUs and IoUs of exactly 1/2 are common."""
    x1, y1 = random.integers(0, 12, 2) * 4
    width, height = random.integers(1, 7, 2) * 4
    return [int(x1), int(y1), int(x1 + width), int(y1 + height)]


def random_image(random, num_classes, max_truths, max_detections):
    truths, detections = [], []
    for _ in range(random.integers(0, max_truths + 1)):
        truths.append([*random_box(random), int(random.integers(1, num_classes + 1)), int(random.random() < 0.25)])
    for _ in range(random.integers(0, max_detections + 1)):
        score = int(random.integers(1, 17)) / 16  # few values: ties
        if truths and random.random() < 0.7:
            near = truths[random.integers(len(truths))]
            x1, y1, x2, y2 = (near[:4] + random.integers(-1, 2, 4) * 2).tolist()
            box, label = [x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)], near[4]
        else:
            box, label = random_box(random), int(random.integers(1, num_classes + 1))
        detections.append([*box, score, label])
    return truths, detections


def main():
    random = np.random.default_rng(SEED)
    cases = []
    for case in range(CASES):
        num_classes = int(random.integers(1, 6))
        dense = case % 8 == 0
        images = [random_image(random, num_classes, *((8, 40) if dense else (4, 6)))
                  for _ in range(random.integers(1, 7))]
        threshold = [0.5, 0.5, 0.25, 0.75][case % 4]
        scores = [average_precisions(images, label, threshold) for label in range(1, num_classes + 1)]
        cases.append({
            "iou_threshold": threshold,
            "images": [{"truths": truths, "detections": detections} for truths, detections in images],
            "points11": [points11 for points11, _ in scores],
            "area": [area for _, area in scores],
        })
    out = pathlib.Path(__file__).parents[1] / "fixtures" / "voc_map.json"
    header = {"numpy": np.__version__, "seed": SEED}
    out.write_text(json.dumps({**header, "cases": cases}, separators=(",", ":")).replace('{"iou', '\n{"iou') + "\n")


if __name__ == "__main__":
    main()
