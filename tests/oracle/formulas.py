"""Goldens whose weights and inputs are formulas of indices, the same here and in tests/nn/necks/oracle.h."""
import numpy as np
import torch


def noise(count, stream):
    """Uniform numbers in [-1, 1) by an integer hash, the same on every machine."""
    h = (np.arange(count, dtype=np.uint64) * 2654435761 + stream * 40503 + 12345) & 0xFFFFFFFF
    for shift, factor in ((15, 2246822519), (13, 3266489917)):
        h = ((h ^ (h >> np.uint64(shift))) * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
    return (h ^ (h >> np.uint64(16))).astype(np.float64) / 2**31 - 1


def fill(state):
    """`state`: tensors by our names."""
    for stream, name in enumerate(sorted(state)):
        tensor = state[name]
        values = noise(tensor.numel(), stream)
        if name.endswith("weight_gamma"):
            values = 0.1 + 0.02 * values  # a weight's deviation
        elif name.endswith("weight_beta"):
            values = 0.02 * values
        elif tensor.dim() > 1:
            values = values * np.sqrt(3 * tensor.shape[0] / tensor.numel())
        elif name.endswith(("_w1", "_w2")):
            values = 0.7 + values  # some are negative
        elif name.endswith(("running_var", "weight")):
            values = 1 + 0.2 * values
        else:
            values = 0.1 * values
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(values).view(tensor.shape))


def summary(tensor):
    flat = tensor.detach().contiguous().flatten()
    return [flat.norm().item(), (flat @ torch.from_numpy(np.cos(0.3 * np.arange(len(flat))))).item()]


def golden(neck, channels, sizes, rename):
    """With the statistics of the batch outputs and gradients of the sum of all numbers of all maps, each with its cosine;
    then outputs by what the norms have kept."""
    neck = neck.double()
    state = {rename(k): v for k, v in neck.state_dict().items() if not k.endswith("num_batches_tracked")}
    fill(state)
    maps = [torch.from_numpy(noise(2 * c * h * w, 1000 + i)).view(2, c, h, w).requires_grad_()
            for i, (c, (h, w)) in enumerate(zip(channels, sizes))]
    neck.train()
    outputs = neck(list(maps))
    sum((o.flatten() * torch.from_numpy(np.cos(0.3 * np.arange(o.numel())))).sum() for o in outputs).backward()
    neck.eval()
    with torch.no_grad():
        later = neck(list(maps))
    return {
        "channels": channels, "sizes": sizes, "parameters": sum(p.numel() for p in neck.parameters()),
        "shapes": [list(o.shape) for o in outputs],
        "outputs": [summary(o) for o in outputs], "later": [summary(o) for o in later],
        "input_gradients": [summary(m.grad) for m in maps],
        "gradients": {rename(k): summary(p.grad) for k, p in neck.named_parameters()}}


def halves(height, width, count):
    """Sizes of maps, each rounded up from half of the one before."""
    sizes = [(height, width)]
    while len(sizes) < count:
        sizes.append(tuple((side + 1) // 2 for side in sizes[-1]))
    return sizes
