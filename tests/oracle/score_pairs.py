"""Prints what pycocotools makes of pairs of COCO files: score_pairs.py FOLDER...

Each folder holds gt.json and dt.json. A JSON list on stdout: of each pair the twelve numbers, or the error as a text. An
empty list of results, which loadRes does not take, is scored like any other. Exit code 77 without pycocotools.
"""

import contextlib
import copy
import io
import json
import pathlib
import sys

try:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)


def load(folder):
    truths = COCO(str(folder / "gt.json"))
    detections = json.loads((folder / "dt.json").read_text())
    if detections:
        return truths, truths.loadRes(detections)
    results = COCO()
    results.dataset = copy.deepcopy(truths.dataset) | {"annotations": []}
    results.createIndex()
    return truths, results


def score(folder):
    evaluation = COCOeval(*load(folder), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return [float(value) for value in evaluation.stats]


def main():
    scores = []
    for folder in sys.argv[1:]:
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                scores.append(score(pathlib.Path(folder)))
            except (AssertionError, KeyError, IndexError, ValueError) as error:
                scores.append(f"{type(error).__name__}: {error}")
    print(json.dumps(scores))


if __name__ == "__main__":
    main()
