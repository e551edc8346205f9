"""Times `rcnn eval --annotations --detections` beside the Python packages that score COCO's boxes; prints a table.

Usage: python tools/bench/coco_eval.py [--rcnn build/release/bin/rcnn] [--rounds 3] [--pycocotools-rounds 1]
                                       [--images 5000] [--detections 500000] [--folder /tmp]

Makes a random data set (seeded; with the defaults 5000 images, about 37,000 objects of 80 classes and 500,000
detections), writes it as COCO's JSON and evaluates it with each program in turn, each time in a process of its own, from
the files to the twelve numbers. A figure is the median over the rounds: seconds of wall time, of CPU time (user and
system, all threads), the peak of resident memory in MB, and by how much it is above that of the same program when it has
loaded its libraries and does nothing. Ours must be pycocotools' numbers to the last bit, and the others' to 1e-9; how many
of their twelve are pycocotools' to the last bit stands in the table.
Needs these packages, beside numpy; a line says which of the last four is not installed:

    pip install pycocotools==2.0.11 faster-coco-eval==1.8.0 ultrafast-pycocotools==0.1.14 hotcoco==1.3.0 vernier==0.5.4
"""

import argparse
import importlib.metadata
import importlib.util
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).parents[2]
KEYS = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]
CLASSES = 80

# What each needs to be imported, and how it comes from the files in sys.argv to a list of the twelve numbers.
COCO_EVAL = """
evaluation = COCOeval(truths, detections, "bbox")
evaluation.evaluate()
evaluation.accumulate()
evaluation.summarize()
numbers = evaluation.stats
"""
LOAD = """
truths = COCO(sys.argv[1])
detections = truths.loadRes(sys.argv[2])
"""
PACKAGES = {
    "ultrafast_pycocotools": ("from ultrafast_pycocotools import COCO, COCOeval", LOAD + COCO_EVAL),
    "hotcoco": ("from hotcoco import COCO, COCOeval", LOAD.replace("loadRes", "load_res") + COCO_EVAL),
    "vernier": ("from pathlib import Path\nfrom vernier.instance import Bbox, CocoDataset, Evaluator", """
truths = CocoDataset.from_json(Path(sys.argv[1]).read_bytes())
evaluator = Evaluator(iou=Bbox(), parity_mode="strict")
numbers = evaluator.evaluate(truths, Path(sys.argv[2]).read_bytes()).stats
"""),
    "faster_coco_eval": ("from faster_coco_eval import COCO\nfrom faster_coco_eval import COCOeval_faster as COCOeval",
                         LOAD + COCO_EVAL),
    "pycocotools": ("from pycocotools.coco import COCO\nfrom pycocotools.cocoeval import COCOeval", LOAD + COCO_EVAL),
}
PRINT = "print(json.dumps([float(value) for value in numbers[:12]]))"


def python(*lines):
    return [sys.executable, "-c", "\n".join(["import json, sys", *lines])]


def rounded(values):
    return [round(float(value), 2) for value in values]


def make(folder, images, detections, seed=0):
    """As COCO's val2017 in its counts: an object has 2.7 detections near it and its class on most of them."""
    rng = np.random.default_rng(seed)
    truths = []
    for image in range(1, images + 1):
        for _ in range(rng.geometric(1 / 8.36) - 1):
            width, height = np.exp(rng.uniform(np.log(6), np.log(400), 2))
            corner = rng.uniform(0, 640 - min(width, 639)), rng.uniform(0, 480 - min(height, 479))
            truths.append({"id": len(truths) + 1, "image_id": image, "category_id": int(rng.integers(1, CLASSES + 1)),
                           "bbox": rounded([*corner, width, height]), "area": round(float(width * height * 0.7), 2),
                           "iscrowd": int(rng.random() < 0.01)})
    results = []
    for truth in truths:
        for _ in range(rng.poisson(2.7)):
            box = np.array(truth["bbox"])
            box[:2] += rng.normal(0, 0.1, 2) * box[2:]
            box[2:] *= np.exp(rng.normal(0, 0.15, 2))
            category = truth["category_id"] if rng.random() < 0.8 else int(rng.integers(1, CLASSES + 1))
            results.append({"image_id": truth["image_id"], "category_id": category, "bbox": rounded(box),
                            "score": round(float(rng.beta(2, 2)), 5)})
    while len(results) < detections:
        box = [*rng.uniform(0, 400, 2), *rng.uniform(5, 200, 2)]
        results.append({"image_id": int(rng.integers(1, images + 1)), "category_id": int(rng.integers(1, CLASSES + 1)),
                        "bbox": rounded(box), "score": round(float(rng.beta(1, 6)), 5)})
    annotations = {"images": [{"id": i, "file_name": f"{i:012}.jpg", "width": 640, "height": 480}
                              for i in range(1, images + 1)],
                   "categories": [{"id": k, "name": f"class {k}"} for k in range(1, CLASSES + 1)],
                   "annotations": truths}
    (folder / "truths.json").write_text(json.dumps(annotations))
    (folder / "detections.json").write_text(json.dumps(results))
    print(f"{images} images, {len(truths)} objects, {len(results)} detections, {CLASSES} classes; "
          f"{(folder / 'detections.json').stat().st_size / 1e6:.0f} MB of detections")


# A process takes the peak of its memory over from the one that starts it, so that a small one has to.
START = """
import json, os, sys, time
output, *command = sys.argv[1:]
file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
start = time.perf_counter()
child = os.posix_spawn(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, file, 1)])
_, status, usage = os.wait4(child, 0)
print(json.dumps([status, time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]))
"""


def run(command, output):
    """Runs a command to its end: wall and CPU seconds, the peak of its resident memory in MB, its last line."""
    started = subprocess.run([sys.executable, "-I", "-S", "-c", START, output, *command], check=True, stdout=subprocess.PIPE)
    status, *figures = json.loads(started.stdout)
    if status != 0:
        sys.exit(f"{' '.join(command[:3])} ...: failed with status {status}")
    return figures, output.read_text().splitlines()[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rcnn", default=str(ROOT / "build/release/bin/rcnn"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pycocotools-rounds", type=int, default=1, help="it takes a minute a round")
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--detections", type=int, default=500_000)
    parser.add_argument("--folder", help="where the files are made, and removed again")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        folder = pathlib.Path(folder)
        make(folder, arguments.images, arguments.detections)
        files = [str(folder / "truths.json"), str(folder / "detections.json")]
        programs = {"rcnn": ([arguments.rcnn, "eval", "--annotations", files[0], "--detections", files[1], "--json"],
                             [arguments.rcnn, "eval", "--help"], arguments.rounds)}
        for name, (load, evaluate) in PACKAGES.items():
            if importlib.util.find_spec(name) is None:
                print(f"{name} is not installed: left out")
                continue
            rounds = arguments.pycocotools_rounds if name == "pycocotools" else arguments.rounds
            version = importlib.metadata.version(name.replace("_", "-"))
            programs[f"{name.replace('_', '-')} {version}"] = (python(load, evaluate, PRINT) + files, python(load, "print()"), rounds)
        figures, numbers = {name: [] for name in programs}, {}
        for round_ in range(max(rounds for *_, rounds in programs.values())):
            for name, (command, idle, rounds) in programs.items():
                if round_ >= rounds:
                    continue
                figure, line = run(command, folder / "output")
                idle_memory = run(idle, folder / "output")[0][2]
                figures[name].append((*figure, figure[2] - idle_memory))
                found = json.loads(line)
                numbers[name] = [found[key] for key in KEYS] if isinstance(found, dict) else found
    judge = next(values for name, values in numbers.items() if name.startswith("pycocotools"))
    if numbers["rcnn"] != judge:
        sys.exit(f"rcnn differs from pycocotools:\n{numbers['rcnn']}\n{judge}")
    for name, values in numbers.items():
        if not np.allclose(values, judge, rtol=0, atol=1e-9):
            sys.exit(f"{name} differs from pycocotools:\n{values}\n{judge}")

    print(f"rcnn's twelve numbers are pycocotools' to the last bit, the others' to 1e-9; AP {judge[0]:.6f}\n")
    print(f"{'':28} {'rounds':>6} {'wall s':>8} {'CPU s':>8} {'MB':>8} {'MB above':>8} {'equal':>8}   rcnn's share of each")
    medians = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in figures.items() if rows}
    for name, values in medians.items():
        equal = sum(value == other for value, other in zip(numbers[name], judge))
        shares = "".join(f" {own / value if value else float('nan'):7.3f}" for own, value in zip(medians["rcnn"], values))
        print(f"{name:28} {len(figures[name]):6} {values[0]:8.2f} {values[1]:8.2f} {values[2]:8.0f} {values[3]:8.0f}"
              f" {equal:5}/12  {shares}")


if __name__ == "__main__":
    main()
