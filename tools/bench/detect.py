"""Times detecting on one photograph with Faster R-CNN ResNet-50 FPN, from the JPEG's bytes to boxes: `bench_detect` beside
torchvision; prints a table in Markdown.

Usage: python tools/bench/detect.py PHOTOGRAPH [--build build/release] [--rounds 3] [--steps 5] [--threads 2]
                                    [--size 800x1344] [--device cpu] [--precision fp32 bf16]

Both have the same weights (drawn; the scale of activations and of scores is that of trained ones) and the photograph
resized to `--size` beforehand, of which the detectors make 800 x 1344 with their own resizing and padding. In fp32 both
must find the same before anything is timed: boxes of the same class with an IoU above 0.99 and scores that differ by less
than 1e-3, for 98 of 100. torchvision runs as people have it: contiguous in fp32; with bf16, autocast and channels_last.
The two take turns, each time in a process of its own; a figure is the median over the rounds of the medians over the
steps, memory the largest; the seconds of all processors (CPU s) say more where others use the machine too. Needs
torchvision, safetensors and Pillow.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAME = "fasterrcnn_resnet50_fpn"
WARMUP = 2
PARTS = ("decode", "network", "total", "processors")


def parity_models():
    sys.path.insert(0, str(ROOT / "tests/oracle"))
    import parity_models as module
    return module


def write_inputs(arguments, folder):
    import torch
    from PIL import Image
    from safetensors.torch import save_file
    height, width = (int(side) for side in arguments.size.split("x"))
    image = folder / "image.jpg"
    Image.open(arguments.photograph).convert("RGB").resize((width, height), Image.BICUBIC).save(image, quality=90)
    models = parity_models()
    model = models.detector(NAME, min_size=320, max_size=533)
    models.randomize(model, 0, lambda m: m([torch.rand(3, 320, 533)]))
    plain, described = folder / "plain.safetensors", folder / "described.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, plain)
    subprocess.run([f"{arguments.build}/bin/rcnn", "weights", "convert", plain, described, "--config",
                    ROOT / f"configs/torchvision/{NAME}.json"], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    return image, plain, described


def torchvision_detect(arguments, precision, weights, image, detections):
    """In a process of its own: prints what bench_detect prints."""
    import torch
    from safetensors.torch import load_file
    from torchvision.io import ImageReadMode, decode_jpeg, read_file
    torch.set_num_threads(arguments.threads)
    device, half = torch.device(arguments.device), precision == "bf16"
    model = parity_models().detector(NAME)
    model.load_state_dict(load_file(weights))
    model.eval().to(device)
    if half:
        model.to(memory_format=torch.channels_last)
    rows = []
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=half):
        for step in range(WARMUP + arguments.steps):
            start, processors = time.perf_counter(), time.process_time()
            pixels = decode_jpeg(read_file(image), ImageReadMode.RGB)
            decoded = time.perf_counter()
            found = model([pixels.to(device).float() / 255])[0]
            found = {name: tensor.cpu() for name, tensor in found.items()}  # waits for the device
            end = time.perf_counter()
            if step >= WARMUP:
                rows.append([decoded - start, end - decoded, end - start, time.process_time() - processors])
    if detections:
        pathlib.Path(detections).write_text(json.dumps(
            [{"category_id": label, "score": score, "bbox": [x1, y1, x2 - x1, y2 - y1]} for (x1, y1, x2, y2), score, label
             in zip(found["boxes"].tolist(), found["scores"].tolist(), found["labels"].tolist())]))
    figures = dict(zip(PARTS, (statistics.median(column) for column in zip(*rows))))
    print(json.dumps(figures | {"peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
                                "found": len(found["scores"])}))


def iou(a, b):
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / (a[2] * a[3] + b[2] * b[3] - both)


def share_found(ours, theirs):
    same = lambda a, b: (a["category_id"] == b["category_id"] and abs(a["score"] - b["score"]) < 1e-3 and
                         iou(a["bbox"], b["bbox"]) > 0.99)
    assert len(theirs) >= 50, f"torchvision finds {len(theirs)} objects alone"
    return sum(any(same(a, b) for b in ours) for a in theirs) / len(theirs)


def run(command, threads, **variables):
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)} | variables
    return json.loads(subprocess.run([str(word) for word in command], env=environment, stdout=subprocess.PIPE, check=True,
                                     text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photograph")
    parser.add_argument("--build", default=str(ROOT / "build/release"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", default="800x1344")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16"], choices=("fp32", "bf16"))
    parser.add_argument("--torchvision", nargs=3, metavar=("PRECISION", "WEIGHTS", "DETECTIONS"),
                        help="only this, in this process")
    arguments = parser.parse_args()
    if arguments.torchvision:
        precision, weights, detections = arguments.torchvision
        return torchvision_detect(arguments, precision, weights, arguments.photograph, detections)

    figures = {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        image, plain, described = write_inputs(arguments, folder)
        shared = ["--device", arguments.device, "--steps"]
        command_of = {
            "rcnn": lambda precision, steps, found: [
                f"{arguments.build}/bin/bench_detect", described, image, "--warmup", WARMUP, "--precision", precision,
                "--detections", found, *shared, steps],
            "torchvision": lambda precision, steps, found: [
                sys.executable, __file__, image, "--threads", arguments.threads, "--torchvision", precision, plain, found,
                *shared, steps]}
        found = {}
        for who, command in command_of.items():
            # On a GPU float32 has to be float32 for this, not the TF32 that both compute in otherwise.
            run(command("fp32", 1, folder / f"{who}.json"), arguments.threads, NVIDIA_TF32_OVERRIDE="0")
            found[who] = json.loads((folder / f"{who}.json").read_text())
        share = share_found(found["rcnn"], found["torchvision"])
        print(f"in fp32 {share:.0%} of torchvision's {len(found['torchvision'])} objects are the same", file=sys.stderr)
        assert share >= 0.98, "the two do not find the same"
        for _ in range(arguments.rounds):
            for precision in arguments.precision:
                for who, command in command_of.items():
                    row = run(command(precision, arguments.steps, folder / "unused.json"), arguments.threads)
                    figures.setdefault((precision, who), []).append(row)
                    print(precision, who, " ".join(f"{part} {row[part]:.3f}" for part in PARTS), file=sys.stderr, flush=True)

    print(f"{NAME}, one photograph of {arguments.size}, {arguments.device}, {arguments.threads} threads, {arguments.rounds} "
          f"rounds of {arguments.steps} steps, load average {os.getloadavg()[0]:.1f}\n")
    print("| | decode s | network s | total s | CPU s | peak GB | total / torchvision | CPU / torchvision |\n"
          "|---|---|---|---|---|---|---|---|")
    for precision in arguments.precision:
        medians = {who: [statistics.median(row[part] for row in figures[precision, who]) for part in PARTS]
                   for who in command_of}
        for who, values in medians.items():
            peak = max(row["peak_bytes"] for row in figures[precision, who]) / 1e9
            print(f"| {who}, {precision} | " + " | ".join(f"{value:.3f}" for value in values) + f" | {peak:.2f} | " +
                  " | ".join(f"{values[i] / medians['torchvision'][i]:.2f}" for i in (-2, -1)) + " |")


if __name__ == "__main__":
    main()
