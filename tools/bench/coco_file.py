"""Times reading an instances file like train2017's: `rcnn eval` of no detections beside pycocotools' COCO(); prints a table.

Usage: python tools/bench/coco_file.py [--rcnn build/release/bin/rcnn] [--rounds 3] [--folder /tmp]

Makes a random file (seeded) of 118,287 images and 860,001 objects with outlines, about 410 MB, and reads it with each
program in turn, each time in a process of its own. A figure is the median over the rounds: seconds of wall time, of CPU
time, and the peak of resident memory in MB, libraries included. `rcnn` scores the objects against an empty list, too.
Needs pycocotools.
"""

import argparse
import pathlib
import random
import statistics
import sys
import tempfile

from coco_eval import CLASSES, ROOT, run

IMAGES, OBJECTS = 118_287, 860_001


def make(path):
    random.seed(0)
    outlines = ["[[" + ", ".join(f"{random.uniform(0, 640):.2f}" for _ in range(random.choice([20, 30, 40, 60]))) + "]]"
                for _ in range(2000)]
    with open(path, "w") as file:
        file.write('{"info": {}, "images": [')
        for i in range(IMAGES):
            name = f"{4 * i:012}.jpg"
            file.write(f'{", " if i else ""}{{"license": 3, "file_name": "{name}", "coco_url": "http://images.cocodataset.org/'
                       f'train2017/{name}", "height": 480, "width": 640, "date_captured": "2013-11-14 16:28:13", "id": {4 * i}}}')
        file.write('], "annotations": [')
        for i in range(OBJECTS):
            x, y, width, height = (random.uniform(low, high) for low, high in ((0, 500), (0, 300), (5, 140), (5, 180)))
            file.write(f'{", " if i else ""}{{"segmentation": {outlines[i % 2000]}, "area": {width * height * 0.6:.4f}, '
                       f'"iscrowd": 0, "image_id": {i % IMAGES * 4}, "bbox": [{x:.2f}, {y:.2f}, {width:.2f}, {height:.2f}], '
                       f'"category_id": {i % CLASSES + 1}, "id": {i + 1}}}')
        categories = ", ".join(f'{{"id": {k + 1}, "name": "class {k}"}}' for k in range(CLASSES))
        file.write(f'], "categories": [{categories}]}}')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rcnn", default=str(ROOT / "build/release/bin/rcnn"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", help="where the file is made, and removed again")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        folder = pathlib.Path(folder)
        truths, nothing = folder / "truths.json", folder / "nothing.json"
        make(truths)
        nothing.write_text("[]")
        print(f"{IMAGES} images, {OBJECTS} objects, {truths.stat().st_size / 1e6:.0f} MB")
        programs = {
            "rcnn": [arguments.rcnn, "eval", "--annotations", str(truths), "--detections", str(nothing)],
            "pycocotools": [sys.executable, "-c", "import sys; from pycocotools.coco import COCO; COCO(sys.argv[1])", str(truths)],
        }
        figures = {name: [] for name in programs}
        for _ in range(arguments.rounds):
            for name, command in programs.items():
                figures[name].append(run(command, folder / "output")[0])
    print(f"{'':12} {'wall s':>8} {'CPU s':>8} {'MB':>8}")
    for name, rows in figures.items():
        print(f"{name:12} " + " ".join(f"{statistics.median(column):8.2f}" for column in zip(*rows)))


if __name__ == "__main__":
    main()
