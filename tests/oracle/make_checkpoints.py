"""Writes the weights of one detector as the field's trainings and wrappers leave them: make_checkpoints.py IN OUT.

IN is a dict of tensors under torchvision's names of today. Each file of the folder OUT holds them; those whose names begin
with "averaged-" hold them as the averaged copy beside the weights, which are 1 less there. Wrappers are torch's own, and
torchvision's own modules judge what was called otherwise before 0.13. Exits with 77, which tests take as skipped, where torch
or torchvision are missing.
"""

import argparse
import collections
import datetime
import pathlib
import random
import re
import sys
import types

try:
    import numpy as np
    import torch
    import torchvision
    from torch.optim.swa_utils import AveragedModel
except ImportError as missing:
    print(f"skipped: {missing}; pip install torchvision==0.26.0")
    sys.exit(77)


def older(state):
    """As they were called before torchvision 0.13."""
    def name_of(name):
        name = re.sub(r"((?:inner|layer)_blocks\.\d+)\.0\.", r"\1.", name)
        return name.replace("rpn.head.conv.0.0.", "rpn.head.conv.")
    return collections.OrderedDict((name_of(name), tensor) for name, tensor in state.items())


def check_by_torchvision(state, renamed):
    """torchvision's modules take both, as the same."""
    part = lambda tensors, prefix: {n[len(prefix):]: t.clone() for n, t in tensors.items() if n.startswith(prefix)}
    now = part(state, "backbone.fpn.")
    levels = [now[f"inner_blocks.{i}.0.weight"] for i in range(4)]
    channels = levels[0].shape[0]
    anchors = state["rpn.head.cls_logits.weight"].shape[0]
    for prefix, module in (
        ("backbone.fpn.", torchvision.ops.FeaturePyramidNetwork([w.shape[1] for w in levels], channels)),
        ("rpn.head.", torchvision.models.detection.rpn.RPNHead(channels, anchors)),
    ):
        module.load_state_dict(part(renamed, prefix))
        found, expected = module.state_dict(), part(state, prefix)
        assert found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in found)
        assert set(part(renamed, prefix)) != set(expected)


def module_of(state):
    """A module whose state this is."""
    root = torch.nn.Module()
    for name, tensor in state.items():
        *path, leaf = name.split(".")
        owner = root
        for part in path:
            if part not in dict(owner.named_children()):
                owner.add_module(part, torch.nn.Module())
            owner = getattr(owner, part)
        owner.register_buffer(leaf, tensor.clone())
    root.forward = lambda x: x
    return root


def averaged_of(module):
    return AveragedModel(module, use_buffers=True)


def foreign(module, name, base=object):
    """A class of a package that is not there where the file is read."""
    sys.modules.setdefault(module, types.ModuleType(module))
    made = type(name, (base,), {"__module__": module})
    setattr(sys.modules[module], name, made)
    return made


class Lightning(torch.nn.Module):
    def __init__(self, name, detector, averaged=None):
        super().__init__()
        setattr(self, name, detector)
        self.criterion = torch.nn.CrossEntropyLoss(weight=torch.ones(3))
        if averaged is not None:
            self.averaged_model = averaged


def main(source, folder):
    state = torch.load(source, weights_only=True)
    less = collections.OrderedDict((n, t - 1 if t.is_floating_point() else t) for n, t in state.items())
    check_by_torchvision(state, older(state))
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.AdamW([parameter])
    parameter.sum().backward()
    optimizer.step()
    history = foreign("mmengine_logging", "HistoryBuffer")()
    history.values = np.arange(3.0)
    settings = foreign("lightning_settings", "AttributeDict", dict)(lr=0.1, transform=torch.nn.ReLU())
    beside = {
        "optimizer": optimizer.state_dict(), "args": argparse.Namespace(lr=0.02, path=pathlib.Path("/x")), "epoch": 25,
        "time": datetime.datetime(2026, 11, 29), "milestones": collections.Counter([8, 11]), "history": history, "settings": settings,
        "rng_state": torch.get_rng_state(), "numpy_rng": np.random.get_state(), "python_rng": random.getstate(), "losses": np.ones(4),
        "generator": np.random.default_rng(1), "objects": np.array([{}, None]), "complex": torch.tensor([1j]), "words": {"a", b"b"},
        "scaler": None, "class": Lightning,
    }
    data_parallel = torch.nn.DataParallel(module_of(state))
    wrapped = {
        "older": older(state),
        "module": data_parallel.state_dict(),
        "compiled": torch.compile(module_of(state)).state_dict(),
        "compiled-module": torch.compile(data_parallel).state_dict(),
        "module-of-older": module_of(older(state)).state_dict(prefix="model.module."),
        "swa": averaged_of(module_of(state)).state_dict(),
    }
    lightning = {name: Lightning(name, torch.compile(data_parallel)).state_dict() for name in ("model", "detector", "frcnn")}
    files = dict(wrapped)
    files["reference"] = {"model": state, "model_ema": averaged_of(module_of(less)).state_dict(), **beside}
    files["reference-older"] = {"model": older(state), **beside}
    for name, tensors in lightning.items():
        files[f"lightning-{name}"] = {"pytorch-lightning_version": "2.5.0", "global_step": 1, "state_dict": tensors,
                                      "hyper_parameters": settings, "callbacks": {"Checkpoint{}": beside}, "optimizer_states": [beside["optimizer"]]}
    files["lightning-swa"] = {"state_dict": Lightning("model", module_of(state), averaged_of(module_of(less))).state_dict(), **beside}
    files["mmengine"] = {"meta": {"time": beside["time"], "work_dir": pathlib.Path("/x")}, "state_dict": state,
                         "message_hub": {"loss": history}, "ema_state_dict": averaged_of(module_of(less)).state_dict()}
    # mmengine's own EMAHook exchanges the two, and says its version.
    files["mmengine-exchanged"] = {"meta": {"mmengine_version": "0.10.7"}, "state_dict": state, "ema_state_dict": files["mmengine"]["ema_state_dict"]}
    files["two-deep"] = {"checkpoint": {"state_dict": wrapped["compiled-module"], "optimizer": beside["optimizer"]}, "args": beside["args"]}
    files["model-in-state"] = {"state_dict": {"model": older(state)}, "epoch": 1}
    files["deepspeed"] = {"module": state, "ds_config": beside["args"]}
    for key, copy in {"model_ema": averaged_of(module_of(state)).state_dict(), "ema": {"module": state, "updates": 3}, "state_dict_ema": state,
                      "ema_state_dict": older(state), "averaged_model": wrapped["compiled"]}.items():
        files[f"averaged-{key}"] = {"model": less, key: copy, **beside}
    files["averaged-lightning"] = {"state_dict": Lightning("model", module_of(less), averaged_of(module_of(state))).state_dict()}
    files["averaged-exchanged"] = files["mmengine-exchanged"]
    folder.mkdir()
    for i, (name, content) in enumerate(files.items()):
        # Every protocol, both formats.
        torch.save(content, folder / f"{name}.pth", pickle_protocol=2 + i % 4)
        torch.save(content, folder / f"{name}.legacy.pth", pickle_protocol=2 + (i + 1) % 4, _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
