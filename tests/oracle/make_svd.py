"""Writes tests/fixtures/svd.json: numpy's SVD of random weights, and what truncating it leaves of them.

Usage: python tests/oracle/make_svd.py
"""
import json
import pathlib

import numpy as np

SEED = 20261130
FIXTURE = pathlib.Path(__file__).parent.parent / "fixtures" / "svd.json"


def packed(array):
    return {"shape": list(array.shape), "values": [float(f"{v:.9g}") for v in array.flatten().tolist()]}


def case(random, rows, columns, rank):
    weight = (random.standard_normal((rows, columns)) * 0.9 ** np.arange(columns)).astype(np.float32)
    u, s, v = np.linalg.svd(weight.astype(np.float64), full_matrices=False)
    return {"weight": packed(weight), "singular_values": packed(s), "rank": rank,
            "approximation": packed(u[:, :rank] * s[:rank] @ v[:rank]),
            "squared_error": float((s[rank:] ** 2).sum()), "energy": float((s[:rank] ** 2).sum() / (s**2).sum())}


if __name__ == "__main__":
    generator = np.random.default_rng(SEED)
    cases = [case(generator, *shape) for shape in ((12, 20, 5), (20, 12, 7), (10, 10, 10))]
    FIXTURE.write_text(json.dumps({"numpy": np.__version__, "cases": cases}) + "\n")
