"""Times rcnn's operators and torchvision's side by side and prints a table of the ratios.

Usage: python tests/oracle/bench_torchvision.py [--bench build/release/bin/bench_ops] [--filter 'nms|roi_align/1000']
                                                [--device cpu] [--threads 2] [--repetitions 5] [--json]

Each case of bench_ops that the regular expression finds (all of them by default: half an hour) first writes its inputs
and results to a file, and torchvision's operator has to give the same results for these inputs, or the program stops
with exit code 1. Then both are timed in turn, so that whatever else the machine does hits both: a round is the mean
over single calls for at least 0.1 s after calls for 0.2 s that do not count, a figure is the median over the rounds.
bench_ops runs as a program of its own, torchvision here.

What torchvision runs: ops.nms, ops.batched_nms, ops.roi_align, ops.roi_pool, ops.deform_conv2d; over a pyramid, the loop of its
MultiScaleRoIAlign, with the RoIs' levels given; for matching, ops.box_iou and the maximum over both axes. It has no
bfloat16 kernels: there it gets the same values as float32; and no gradient of RoIs, whose cases are left out. GB/s counts what the operator has to read and write at
least, its inputs and results; extra is how far resident memory rises in one call of ours on a CPU, results included.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import safetensors.torch
import torch
import torchvision
from torchvision import ops

ROOT = pathlib.Path(__file__).parent.parent.parent
SUFFIX = "/real_time"  # Google Benchmark's, for which clock it went by
ONLY_OURS = "/backward_boxes"
ROUND_SECONDS, WARM_UP_SECONDS = 0.1, 0.2

# As in tools/bench; whoever changes them in one place only gets results that disagree.
IOU_THRESHOLD = 0.7
GRID, SAMPLING_RATIO = (7, 7), 2
ALIGN_SCALES, POOL_SCALE = (1 / 4, 1 / 8, 1 / 16, 1 / 32), 1 / 16


class Bench:
    """The program bench_ops."""

    def __init__(self, program, device, threads):
        self.program = program
        self.device = device
        self.environment = os.environ | {"OMP_NUM_THREADS": str(threads)}

    def run(self, *flags):
        finished = subprocess.run([self.program, *flags], env=self.environment, capture_output=True, text=True)
        if finished.returncode != 0:
            sys.exit(f"{self.program} {' '.join(flags)}: exit code {finished.returncode}\n{finished.stderr}")
        return finished.stdout

    def cases(self, expression):
        listed = self.run("--benchmark_list_tests=true", f"--benchmark_filter={expression}")
        return [line.removesuffix(SUFFIX) for line in listed.splitlines() if not line.endswith(ONLY_OURS + SUFFIX)]

    def measure(self, case, *flags):
        """Google Benchmark's figures for one round."""
        report = self.run(f"--benchmark_filter=^{case}{SUFFIX}$", "--benchmark_format=json",
                          f"--benchmark_min_time={ROUND_SECONDS}",
                          f"--benchmark_min_warmup_time={WARM_UP_SECONDS}", "--device", self.device, *flags)
        (figures,) = json.loads(report)["benchmarks"]
        return figures

    def tensors(self, case):
        """Its inputs, those of an earlier forward pass included, and its results, by name."""
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "case.safetensors"
            self.measure(case, "--dump", str(file))
            dumped = safetensors.torch.load_file(file, device=self.device)
        inputs, results = {}, {}
        for name, tensor in dumped.items():
            kind, name = name.removeprefix(case + "/").split("/")
            (results if kind == "results" else inputs)[name] = tensor
        return inputs, results


def pool(operator, maps, rois, levels):
    if operator == "roi_pool":
        return ops.roi_pool(maps[0], rois, GRID, POOL_SCALE)
    if levels is None:
        return ops.roi_align(maps[0], rois, GRID, ALIGN_SCALES[0], SAMPLING_RATIO)
    output = torch.zeros(len(rois), maps[0].shape[1], *GRID, device=rois.device)
    for level, features in enumerate(maps):
        chosen = torch.where(levels == level)[0]
        output[chosen] = ops.roi_align(features, rois[chosen], GRID, ALIGN_SCALES[level], SAMPLING_RATIO)
    return output


def roi_call(case, inputs):
    operator, *_, memory_format, direction = case.split("/")
    layout = getattr(torch, {"contiguous": "contiguous_format"}.get(memory_format, memory_format))

    def ready(name):
        return inputs[name].float().contiguous(memory_format=layout)

    maps = [ready(name) for name in sorted(inputs) if name.startswith("features")]
    rois, levels = inputs["rois"], inputs.get("levels")
    if direction == "forward":
        return lambda: {"output": pool(operator, maps, rois, levels)}

    weight = ready("weight")
    for features in maps:
        features.requires_grad_()

    def gradients(output):
        found = torch.autograd.grad(output, maps, weight, retain_graph=True)
        return {f"gradient{i}": gradient for i, gradient in enumerate(found)}

    def both():
        output = pool(operator, maps, rois, levels)
        return {"output": output.detach()} | gradients(output)

    if direction == "forward_backward":
        return both
    output = pool(operator, maps, rois, levels)
    return lambda: gradients(output)


def deform_conv_call(case, inputs):
    _, _, dilation, _, memory_format, direction = case.split("/")
    layout = getattr(torch, {"contiguous": "contiguous_format"}.get(memory_format, memory_format))
    reach = int(dilation.removeprefix("dilation:"))
    ready = {name: tensor.float().contiguous(memory_format=layout) for name, tensor in inputs.items()}
    leaves = {name: ready[name].requires_grad_(direction != "forward") for name in ("input", "offset", "weight")}

    def convolve():
        return ops.deform_conv2d(**leaves, padding=reach, dilation=reach)

    def gradients(output):
        found = torch.autograd.grad(output, list(leaves.values()), ready["grad"], retain_graph=True)
        return {f"of_{name}": gradient for name, gradient in zip(leaves, found)}

    def both():
        output = convolve()
        return gradients(output) | {"output": output.detach()}

    if direction == "forward":
        return lambda: {"output": convolve()}
    if direction == "forward_backward":
        return both
    output = convolve()
    return lambda: gradients(output)


def match_call(inputs):
    def match():
        iou = ops.box_iou(inputs["truths"], inputs["candidates"])
        best = iou.max(0)
        return {"iou": best.values, "truth": best.indices, "iou_of_truth": iou.max(1).values}
    return match


def torchvision_call(case, inputs):
    """torchvision's work for a case: a function without arguments that returns results by name."""
    operator = case.split("/")[0]
    if operator == "nms":
        return lambda: {"kept": ops.nms(inputs["boxes"], inputs["scores"], IOU_THRESHOLD)}
    if operator == "batched_nms":
        return lambda: {"kept": ops.batched_nms(inputs["boxes"], inputs["scores"], inputs["groups"], IOU_THRESHOLD)}
    if operator == "match_boxes":
        return match_call(inputs)
    if operator == "deform_conv":
        return deform_conv_call(case, inputs)
    return roi_call(case, inputs)


def disagree(case, what):
    sys.exit(f"{case}: {what}: rcnn and torchvision disagree, so nothing is timed")


def check_close(case, name, ours, theirs):
    # Sums of up to thousands of float32 products, in another order than torchvision's.
    tolerance = 1e-4 + 1e-4 * theirs.abs()
    if ours.dtype == torch.bfloat16:
        tolerance += 2**-8 * theirs.abs()  # half of the last of its eight bits
    difference = (ours.float() - theirs).abs()
    if not (difference <= tolerance).all():
        disagree(case, f"{name} differs by up to {difference.max().item():.3g}")


def check_match(case, inputs, ours, theirs):
    for name in ("iou", "truth"):
        if not torch.equal(ours[name], theirs[name]):
            disagree(case, f"{name} differs for {(ours[name] != theirs[name]).sum()} candidates")
    # One ground truth after another: the whole matrix takes gigabytes.
    best = torch.zeros_like(ours["best_of_truth"])
    for truth, highest in zip(inputs["truths"], theirs["iou_of_truth"]):
        if highest > 0:
            best |= ops.box_iou(truth[None], inputs["candidates"])[0] == highest
    if not torch.equal(ours["best_of_truth"], best):
        disagree(case, f"best_of_truth differs for {(ours['best_of_truth'] != best).sum()} candidates")


def check(case, inputs, ours, theirs):
    operator = case.split("/")[0]
    if operator == "match_boxes":
        check_match(case, inputs, ours, theirs)
    elif operator in ("nms", "batched_nms"):
        if not torch.equal(ours["kept"], theirs["kept"]):
            disagree(case, f"{len(ours['kept'])} and {len(theirs['kept'])} boxes kept, not the same ones")
    else:
        if ours.keys() != theirs.keys():
            disagree(case, f"results {sorted(ours)} and {sorted(theirs)}")
        for name in ours:
            check_close(case, name, ours[name], theirs[name])


def mean_seconds(call, at_least, wait):
    """Mean time of single calls, each waited for, as many as take so long."""
    calls, start = 0, time.perf_counter()
    while (seconds := time.perf_counter() - start) < at_least:
        call()
        wait()
        calls += 1
    return seconds / calls


def round_ms(call, wait):
    mean_seconds(call, WARM_UP_SECONDS, wait)
    return 1e3 * mean_seconds(call, ROUND_SECONDS, wait)


def compare(bench, case, repetitions):
    inputs, results = bench.tensors(case)
    call = torchvision_call(case, inputs)
    check(case, inputs, results, call())
    wait = torch.cuda.synchronize if bench.device == "cuda" else lambda: None
    ours, theirs = [], []
    for _ in range(repetitions):
        ours.append(bench.measure(case))
        theirs.append(round_ms(call, wait))

    def median(name):
        return statistics.median(figures[name] for figures in ours)

    operator, _, rest = case.partition("/")
    ours_ms, theirs_ms = median("real_time"), statistics.median(theirs)
    return {"operator": operator, "case": rest, "ours_ms": ours_ms, "torchvision_ms": theirs_ms,
            "ratio": theirs_ms / ours_ms, "gb_per_s": median("bytes_per_second") / 1e9,
            "extra_mb": median("extra_bytes") / 1e6 if bench.device == "cpu" else None,
            "torchvision_in": "float32" if "/bfloat16/" in case else None}


def digits(number):
    """Three of them at least."""
    return f"{number:.3g}" if number < 1000 else f"{number:.0f}"


def row(figures):
    note = f" ({figures['torchvision_in']})" if figures["torchvision_in"] else ""
    return (f"| {figures['operator']} | {figures['case']} | {digits(figures['ours_ms'])} | "
            f"{digits(figures['torchvision_ms'])}{note} | {figures['ratio']:.1f} | {digits(figures['gb_per_s'])} | " +
            ("|" if figures["extra_mb"] is None else f"{figures['extra_mb']:.1f} |"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default=ROOT / "build/release/bin/bench_ops", help="the program bench_ops")
    parser.add_argument("--filter", default=".", help="regular expression for the cases' names")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=5, help="rounds for each case")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    bench = Bench(arguments.bench, arguments.device, arguments.threads)
    cases = bench.cases(arguments.filter)
    if not arguments.json:
        print(f"torchvision {torchvision.__version__} with torch {torch.__version__}, {arguments.device}, "
              f"{arguments.threads} threads, medians of {arguments.repetitions} rounds\n\n"
              "| operator | case | ours ms | torchvision ms | ratio | ours GB/s | ours extra MB |\n"
              "|---|---|---|---|---|---|---|")
    compared = []
    for case in cases:
        compared.append(compare(bench, case, arguments.repetitions))
        if not arguments.json:
            print(row(compared[-1]), flush=True)
    if arguments.json:
        print(json.dumps({"torchvision": torchvision.__version__, "torch": torch.__version__,
                          "threads": arguments.threads, "repetitions": arguments.repetitions, "cases": compared}))


if __name__ == "__main__":
    main()
