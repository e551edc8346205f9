"""Small random data sets and what pycocotools makes of them.

make_coco_map.py committed    writes tests/fixtures/coco_map.safetensors: 12 sets with their numbers
make_coco_map.py OUT COUNT    writes OUT: COUNT sets with their numbers and their whole precision and recall arrays; one
                              that is there already and newer than this script is left as it is

Of set N: N.categories int64 [K]; N.truths float64 [G, 9]: image id, category id, x, y, width, height, area, crowd, id;
N.detections float64 [D, 7]: image id, category id, x, y, width, height, score; N.proposal_recall float64 [T, A, 4]
with useCats = 0 and 10, 100, 300 and 1000 detections, of the first 200; N.numbers float64 [1 + K, 12]: of all categories
and of each; of those in OUT N.precision float64 [T, R, K, A, M], N.recall [T, K, A, M], too.

OUT also has numpy's means: means.values float64 [V], means.counts int64 [C], and means.means float64 [C], each that of the
first so many values.
"""

import contextlib
import io
import pathlib
import sys

# Before the imports, which take longer than all else where there is nothing to do.
if __name__ == "__main__" and sys.argv[1] != "committed":
    made = pathlib.Path(sys.argv[1])
    if made.exists() and made.stat().st_mtime > pathlib.Path(__file__).stat().st_mtime:
        sys.exit()

try:
    import numpy as np
    import pycocotools
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval
    from safetensors.numpy import save_file
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

SEED = 20261121


def random_set(rng):
    """Crowds, equal scores, areas on the borders of the ranges, empty categories, an id of 0, up to 300 detections."""
    ids = range(1, 2**40, 7919)  # as an array it would take 1.1 GB
    categories = sorted(ids[i] for i in rng.choice(len(ids), rng.integers(1, 4), replace=False))
    images = sorted(rng.choice(10**6, rng.integers(1, 6), replace=False).tolist())
    used = categories[: max(1, len(categories) - int(rng.integers(0, 2)))]
    truths, detections = [], []
    first_id = int(rng.integers(0, 2))
    for image in images:
        for _ in range(rng.integers(0, 8)):
            side = rng.choice([3, 20, 32, 60, 96, 150])
            width, height = (side, side) if rng.random() < 0.3 else (side * rng.random(), side * rng.random())
            area = width * height * (1 if rng.random() < 0.5 else 0.6)
            truths.append([image, rng.choice(used), *(rng.random(2) * 200), width, height, area, rng.random() < 0.15,
                           len(truths) + first_id])
        many = rng.random() < 0.05
        for _ in range(rng.integers(100, 300) if many else rng.integers(0, 15)):
            near = [t for t in truths if t[0] == image]
            if near and rng.random() < 0.7:
                t = near[rng.integers(len(near))]
                box = np.array(t[2:6]) + rng.choice([0, 1, 4, 10]) * rng.normal(size=4)
                category = t[1] if rng.random() < 0.9 else rng.choice(categories)
            else:
                box, category = rng.random(4) * 200, rng.choice(categories)
            score = rng.random() if rng.random() < 0.5 else rng.choice([0.1, 0.5, 0.9])
            detections.append([image, category, box[0], box[1], abs(box[2]), abs(box[3]), score])
    if not detections:  # loadRes takes no empty list
        detections.append([images[0], categories[0], 0.0, 0.0, 1.0, 1.0, 0.5])
    return images, categories, truths, detections


def load(images, categories, truths, detections):
    ground_truth = COCO()
    ground_truth.dataset = {
        "images": [{"id": i} for i in images],
        "categories": [{"id": c, "name": str(c)} for c in categories],
        "annotations": [{"image_id": int(t[0]), "category_id": int(t[1]), "bbox": [float(v) for v in t[2:6]],
                         "area": float(t[6]), "iscrowd": int(t[7]), "id": int(t[8])} for t in truths],
    }
    ground_truth.createIndex()
    results = ground_truth.loadRes([{"image_id": int(d[0]), "category_id": int(d[1]), "bbox": [float(v) for v in d[2:6]],
                                     "score": float(d[6])} for d in detections])
    return ground_truth, results


def evaluate(ground_truth, results, **parameters):
    evaluation = COCOeval(ground_truth, results, "bbox")
    vars(evaluation.params).update(parameters)
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation


def summarize(evaluation):
    """The twelve numbers of all categories, and of each."""
    precision, recall, numbers = evaluation.eval["precision"], evaluation.eval["recall"], []
    for part in [slice(None)] + [slice(k, k + 1) for k in range(len(evaluation.params.catIds))]:
        evaluation.eval = {"precision": precision[:, :, part], "recall": recall[:, part]}
        evaluation.summarize()
        numbers.append(evaluation.stats)
    return {"numbers": np.array(numbers)}


def everything(evaluation):
    arrays = {name: np.ascontiguousarray(evaluation.eval[name]) for name in ("precision", "recall")}
    return arrays | summarize(evaluation)


def means():
    """Counts around those at which numpy's summation changes its ways, and those of COCO's arrays."""
    values = np.random.default_rng(SEED).random(10 * 101 * 80)
    counts = [*range(1, 300), *(2**k + d for k in range(9, 17) for d in (-9, -1, 0, 1, 9)), 8080, len(values)]
    return {"means.values": values, "means.counts": np.array(counts, np.int64),
            "means.means": np.array([np.mean(values[:count]) for count in counts])}


def proposal_recall(data):
    """Of the detections as proposals, whatever their category."""
    evaluation = evaluate(*data, useCats=0, maxDets=[10, 100, 300, 1000])
    return {"proposal_recall": np.ascontiguousarray(evaluation.eval["recall"][:, 0])}


def make(count, measure):
    """`measure` gives the tensors that are kept of an evaluation, by name."""
    rng = np.random.default_rng(SEED)
    tensors = {}
    for number in range(count):
        images, categories, truths, detections = random_set(rng)
        with contextlib.redirect_stdout(io.StringIO()):
            data = load(images, categories, truths, detections)
            measured = measure(evaluate(*data)) | (proposal_recall(data) if number < 200 else {})
        tensors[f"{number}.categories"] = np.array(categories, np.int64)
        tensors[f"{number}.truths"] = np.array(truths, np.float64).reshape(-1, 9)
        tensors[f"{number}.detections"] = np.array(detections, np.float64)
        tensors.update({f"{number}.{name}": tensor for name, tensor in measured.items()})
    return tensors


def main():
    if sys.argv[1] == "committed":
        path, tensors = pathlib.Path(__file__).parent.parent / "fixtures" / "coco_map.safetensors", make(12, summarize)
    else:
        path, tensors = pathlib.Path(sys.argv[1]), make(int(sys.argv[2]), everything) | means()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata={"pycocotools": getattr(pycocotools, "__version__", "2.0.11"),
                                       "numpy": np.__version__, "seed": str(SEED)})


if __name__ == "__main__":
    main()
