"""Times rcnn's reading and writing of weight files beside torch's, safetensors' and a plain read; prints a table.

Usage: python tests/oracle/bench_weight_files.py [--bench build/release/bin/bench_weight_files] [--megabytes 160]
                                                 [--rounds 9] [--folder /tmp]

Makes tensors of this size, as many and as large as a ResNet's, writes them as .safetensors (without and with rcnn's
checksum), as .pth (zip and legacy) and as a numpy .pkl, and checks that torch reads what rcnn wrote. Then the readers
are timed in turn, each in a process that has read the file before, so that whatever else the machine does hits them
all and the files lie in the page cache. A figure is the median over the rounds, in milliseconds, of: read, then copy
every tensor once into memory that is there already, as loading into a model does. "plain read" is what `cat` does:
read() into one buffer of 1 MiB.
"""

import argparse
import pathlib
import pickle
import statistics
import subprocess
import sys
import tempfile
import time

import safetensors.torch
import torch

ROOT = pathlib.Path(__file__).parents[2]


def make_tensors(megabytes):
    sizes = [(512, 512, 3, 3), (512,), (256, 256, 3, 3), (256,), (1024, 256, 1, 1), (1024,)]
    tensors, bytes_ = {}, 0
    while bytes_ < megabytes * 1_000_000:
        name, shape = f"layer{len(tensors)}.weight", sizes[len(tensors) % len(sizes)]
        tensors[name] = torch.randn(shape)
        bytes_ += tensors[name].nbytes
    return tensors


class Bench:
    """The program bench_weight_files."""

    def __init__(self, program):
        self.program = program

    def run(self, *arguments):
        finished = subprocess.run([self.program, *map(str, arguments)], capture_output=True, text=True)
        if finished.returncode != 0:
            sys.exit(f"{self.program}: exit code {finished.returncode}\n{finished.stderr}")
        return [tuple(map(float, line.split())) for line in finished.stdout.splitlines()]


def plain_read(file):
    buffer = bytearray(1 << 20)
    with open(file, "rb", buffering=0) as opened:
        while opened.readinto(buffer):
            pass


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def copy_all(read, model):
    for name, tensor in read().items():
        model[name].copy_(tensor)


def write_all(folder, tensors, bench):
    files = {kind: folder / name for kind, name in {
        "safetensors": "others.safetensors", "with checksum": "ours.safetensors", ".pth zip": "zip.pth",
        ".pth legacy": "legacy.pth", ".pkl numpy": "numpy.pkl"}.items()}
    safetensors.torch.save_file(tensors, files["safetensors"])
    torch.save(tensors, files[".pth zip"])
    torch.save(tensors, files[".pth legacy"], _use_new_zipfile_serialization=False)
    with open(files[".pkl numpy"], "wb") as file:
        pickle.dump({"model": {name: tensor.numpy() for name, tensor in tensors.items()}}, file)
    bench.run("write", files["safetensors"], files["with checksum"])
    bench.run("write", files["safetensors"], folder / "ours.pth")
    ours = torch.load(folder / "ours.pth", weights_only=True)
    again = safetensors.torch.load_file(files["with checksum"])
    assert all(torch.equal(found[name], tensor) for found in (ours, again) for name, tensor in tensors.items())
    return files


def python_reader(kind, file):
    if kind in ("safetensors", "with checksum"):
        return lambda: safetensors.torch.load_file(file)
    if kind.startswith(".pth"):
        return lambda: torch.load(file, weights_only=True)

    def read():
        with open(file, "rb") as opened:
            return {name: torch.from_numpy(array) for name, array in pickle.load(opened)["model"].items()}

    return read


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default=ROOT / "build/release/bin/bench_weight_files")
    parser.add_argument("--megabytes", type=int, default=160)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--folder", help="where the files are made, and removed again")
    arguments = parser.parse_args()

    bench = Bench(arguments.bench)
    tensors = make_tensors(arguments.megabytes)
    model = {name: torch.empty_like(tensor) for name, tensor in tensors.items()}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        files = write_all(pathlib.Path(folder), tensors, bench)
        print(f"{'':14} {'plain read':>10} {'rcnn read':>10} {'and copy':>10} {'Python':>10} {'rcnn/Python':>12}")
        for kind, file in files.items():
            reader = python_reader(kind, file)
            copy_all(reader, model)
            rows = []
            for _ in range(arguments.rounds):
                read, copy = bench.run("read", file, 1)[0]
                rows.append((1e3 * seconds(lambda: plain_read(file)), read, read + copy,
                             1e3 * seconds(lambda: copy_all(reader, model))))
            plain, read, both, python = (statistics.median(column) for column in zip(*rows))
            print(f"{kind:14} {plain:10.1f} {read:10.1f} {both:10.1f} {python:10.1f} {both / python:12.2f}")


if __name__ == "__main__":
    main()
