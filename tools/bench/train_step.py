"""Times one training step of Faster R-CNN ResNet-50 FPN: `bench_train` beside torchvision; prints a table in Markdown.

Usage: python tools/bench/train_step.py [--bench build/release/bin/bench_train] [--rounds 3] [--steps 5] [--threads 2]
                                        [--size 800x1344] [--batch 1] [--device cpu] [--precision fp32 bf16]

Both have the same weights (drawn; the scale of activations is that of trained ones), frozen batch norms, stem and first stage frozen,
the same number of anchors and RoIs sampled, images of exactly the size named, 8 objects each. A step is forward with
losses, backward and SGD with momentum. torchvision runs as people have it: contiguous in fp32; with bf16, autocast
and channels_last. The two take turns, each time in a process of its own; a figure is the median over the rounds of the
medians over the steps, memory the largest: resident on a CPU, allocated on a GPU; the seconds of all processors (CPU s)
say more where others use the machine too. Needs torchvision and safetensors.
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
CLASSES, BOXES, WARMUP = 90, 8, 2
PARTS = ("forward", "backward", "optimizer", "total", "processors")


def model_of(size):
    sys.path.insert(0, str(ROOT / "tests/oracle"))
    import parity_models
    return parity_models.detector(NAME, min_size=min(size), max_size=max(size))


def write_weights(file):
    import torch
    from safetensors.torch import save_file
    sys.path.insert(0, str(ROOT / "tests/oracle"))
    import parity_models
    model = model_of((320, 320))
    parity_models.randomize(model, 0, lambda m: m([torch.rand(3, 320, 320)]))
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, file)


def torchvision_step(arguments, size, precision, weights):
    """In a process of its own: prints what bench_train prints."""
    import torch
    from safetensors.torch import load_file
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    device, half = torch.device(arguments.device), precision == "bf16"
    model = model_of(size)
    model.load_state_dict(load_file(weights))
    model.train().to(device)
    if half:
        model.to(memory_format=torch.channels_last)
    images = [torch.rand(3, *size, device=device) for _ in range(arguments.batch)]
    targets = []
    for _ in images:
        extent = torch.tensor([size[1], size[0]])
        corner = torch.rand(BOXES, 2) * extent * 0.6
        boxes = torch.cat([corner, corner + (torch.rand(BOXES, 2) * 0.35 + 0.05) * extent], 1)
        targets.append({"boxes": boxes.to(device), "labels": torch.randint(1, CLASSES + 1, (BOXES,), device=device)})
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=1e-12, momentum=0.9, weight_decay=1e-4)

    def clock():
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    rows = []
    for step in range(WARMUP + arguments.steps):
        processors, times = time.process_time(), [clock()]
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            loss = sum(model(images, targets).values())
        assert torch.isfinite(loss)
        times.append(clock())
        optimizer.zero_grad()
        loss.backward()
        times.append(clock())
        optimizer.step()
        times.append(clock())
        if step >= WARMUP:
            rows.append([after - before for before, after in zip(times, times[1:])] + [times[-1] - times[0], time.process_time() - processors])
    figures = dict(zip(PARTS, (statistics.median(column) for column in zip(*rows))))
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else \
        1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps(figures | {"peak_bytes": peak, "loss": loss.item()}))


def run(command, threads):
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    return json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default=str(ROOT / "build/release/bin/bench_train"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", default="800x1344")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16"], choices=("fp32", "bf16"))
    parser.add_argument("--torchvision", nargs=2, metavar=("PRECISION", "WEIGHTS"), help="only this, in this process")
    arguments = parser.parse_args()
    size = tuple(int(side) for side in arguments.size.split("x"))
    if arguments.torchvision:
        return torchvision_step(arguments, size, *arguments.torchvision)

    shared = ["--size", arguments.size, "--batch", str(arguments.batch), "--steps", str(arguments.steps),
              "--device", arguments.device]
    with tempfile.TemporaryDirectory() as folder:
        weights = str(pathlib.Path(folder) / "weights.safetensors")
        write_weights(weights)
        figures = {}
        for _ in range(arguments.rounds):
            for precision in arguments.precision:
                ours = [arguments.bench, str(ROOT / f"configs/torchvision/{NAME}.json"), *shared, "--warmup", str(WARMUP),
                        "--precision", precision, "--weights", weights]
                theirs = [sys.executable, __file__, *shared, "--threads", str(arguments.threads),
                          "--torchvision", precision, weights]
                for name, command in (("rcnn", ours), ("torchvision", theirs)):
                    row = run(command, arguments.threads)
                    figures.setdefault((precision, name), []).append(row)
                    print(precision, name, " ".join(f"{part} {row[part]:.3f}" for part in PARTS),
                          f"loss {row['loss']:.3f}", file=sys.stderr, flush=True)

    print(f"{NAME}, {arguments.batch} x {arguments.size}, {arguments.device}, {arguments.threads} threads, "
          f"{arguments.rounds} rounds of {arguments.steps} steps, load average {os.getloadavg()[0]:.1f}\n")
    print("| | forward s | backward s | optimiser s | step s | CPU s | peak GB | step / torchvision | CPU / torchvision |\n"
          "|---|---|---|---|---|---|---|---|---|")
    for precision in arguments.precision:
        medians = {name: [statistics.median(row[part] for row in figures[precision, name]) for part in PARTS]
                   for name in ("rcnn", "torchvision")}
        for name, values in medians.items():
            peak = max(row["peak_bytes"] for row in figures[precision, name]) / 1e9
            print(f"| {name}, {precision} | " + " | ".join(f"{value:.3f}" for value in values) +
                  f" | {peak:.2f} | " + " | ".join(f"{values[i] / medians['torchvision'][i]:.2f}" for i in (-2, -1)) + " |")


if __name__ == "__main__":
    main()
