"""Writes tests/fixtures/weights: the field's kinds of weight files as torch, pickle and numpy write them, and what they hold.

One folder a format; the fuzzers of tests/fuzz begin with the same files. expected.safetensors has the tensors that
every file named all.* holds. Python 2's pickles are written by hand, instruction by instruction.

The folder written/ is the other way round: what rcnn writes, byte by byte (tests/io compare with it), which this program
does not make but reads with torch and numpy, and compares.
"""

import argparse
import collections
import datetime
import os
import pathlib
import pickle
import shutil
import struct
import sys
import types

import numpy as np
import safetensors.torch
import torch
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

FOLDER = pathlib.Path(__file__).parents[1] / "fixtures" / "weights"


def write(name, content):
    file = FOLDER / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def all_tensors():
    """Every element type and every way to lie in a storage."""
    base = torch.arange(12, dtype=torch.float32)
    return collections.OrderedDict(
        {
            "base": base,
            "view": base[3:9].view(2, 3),
            "transposed": base.view(3, 4).t(),
            "column": base.view(3, 4)[:, 1],
            "channels_last": torch.arange(16.0).view(1, 2, 2, 4).contiguous(memory_format=torch.channels_last),
            "layer.weight": torch.nn.Parameter(torch.tensor([[0.5, -1.0], [2.0, float("inf")]])),
            "layer.bias": torch.nn.Parameter(torch.tensor([1e-30, -0.0]), requires_grad=False),
            "f64": torch.tensor([0.1, 1e300], dtype=torch.float64),
            "f16": torch.tensor([0.5, -2.0, 65504.0], dtype=torch.float16),
            "bf16": torch.tensor([1.0, -3.0], dtype=torch.bfloat16),
            "i64": torch.tensor([-1, 2**62]),
            "i32": torch.tensor([[-7, 7]], dtype=torch.int32),
            "i16": torch.tensor([-300, 300], dtype=torch.int16),
            "i8": torch.tensor([-128, 127], dtype=torch.int8),
            "u8": torch.tensor([255, 0, 1], dtype=torch.uint8),
            "bool": torch.tensor([True, False, True]),
            "scalar": torch.tensor(7),
            "empty": torch.zeros(0, 4),
            "ü.名": torch.tensor([3.0]),
        }
    )


def save(name, content, zipped):
    file = FOLDER / name
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, file, _use_new_zipfile_serialization=zipped)


def write_torch(folder, zipped):
    state = all_tensors()
    state._metadata = collections.OrderedDict({"": {"version": 1}, "layer": {"version": 2}})
    save(f"{folder}/all.pth", state, zipped)

    layer = torch.nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        layer.bias.copy_(torch.tensor([5.0, 6.0]))
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    save(
        f"{folder}/checkpoint.pth",
        {
            "epoch": 12,
            "arch": "resnet",
            "best": torch.tensor(0.75),
            "state_dict": {"head": layer.state_dict(), "stages": [torch.tensor([1.0]), (torch.tensor([2]),)]},
            "optimizer": optimizer.state_dict(),
            "amp": None,
            "cycles": 1.5,
            "final": True,
        },
        zipped,
    )
    attributed = torch.tensor([1.0, 2.0])
    attributed.note = "a tensor with an attribute is rebuilt in another way"
    save(f"{folder}/attribute.pth", {"a": attributed}, zipped)
    write_checkpoints(folder, zipped)


class Touch:
    """Runs a command when Python unpickles it."""

    def __reduce__(self):
        return os.system, ("touch rcnn_was_fooled",)


def foreign(module, name, base=object):
    """A class of a package that is not here, as pickles name it."""
    parts = module.split(".")
    for i in range(1, len(parts) + 1):
        sys.modules.setdefault(".".join(parts[:i]), types.ModuleType(".".join(parts[:i])))
    made = type(name, (base,), {"__module__": module})
    setattr(sys.modules[module], name, made)
    return made


def older_state(shift=0.0):
    """A detector's names as torchvision before 0.13 had them, a tensor for each kind of name."""
    names = ["backbone.body.conv1.weight", "backbone.fpn.inner_blocks.0.weight", "backbone.fpn.layer_blocks.3.bias",
             "rpn.head.conv.weight", "rpn.head.cls_logits.bias", "roi_heads.box_predictor.cls_score.bias"]
    return collections.OrderedDict((name, torch.tensor([i + shift, 0.5])) for i, name in enumerate(names))


def prefixed(state, prefix):
    return collections.OrderedDict((prefix + name, tensor) for name, tensor in state.items())


def write_checkpoints(folder, zipped):
    """What trainings leave: the weights, and beside them objects of classes that no reader of weights has."""
    history = foreign("mmengine.logging.history_buffer", "HistoryBuffer")()
    history._log_history = np.array([1.5, 2.5])
    hyper = foreign("lightning_fabric.utilities.data", "AttributeDict", dict)(lr=0.02)
    path, date = pathlib.PurePosixPath("/x"), datetime.datetime(2026, 11, 29)
    averaged = collections.OrderedDict(n_averaged=torch.tensor(3), **prefixed(older_state(10), "module."))
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.AdamW([parameter])
    parameter.sum().backward()
    optimizer.step()
    # torchvision's references/detection/train.py, with the averages of its classification twin.
    save(f"{folder}/reference.pth", {
        "model": older_state(), "optimizer": optimizer.state_dict(), "lr_scheduler": {"milestones": collections.Counter([8, 11])},
        "args": argparse.Namespace(lr=0.02, data_path=path), "epoch": 25, "model_ema": averaged}, zipped)
    save(f"{folder}/lightning.pth", {
        "epoch": 2, "global_step": 30, "pytorch-lightning_version": "2.5.0",
        "state_dict": collections.OrderedDict(prefixed(older_state(), "model._orig_mod.module."), **{"criterion.weight": torch.ones(3)}),
        "loops": {"fit_loop": {"state_dict": {}}}, "callbacks": {"ModelCheckpoint{'mode': 'min'}": {"dirpath": path, "best": torch.tensor(0.5)}},
        "optimizer_states": [optimizer.state_dict()], "lr_schedulers": [], "hyper_parameters": hyper, "hparams_name": "kwargs",
        "started": date, "rng": {"torch": torch.get_rng_state()[:8], "numpy": np.random.RandomState(0).get_state(), "generator": np.random.default_rng(0)},
        "cuda_rng": torch.arange(4, dtype=torch.uint8), "dtype": torch.float16, "device": torch.device("cpu"),
        "complex": torch.tensor([1j]), "when": np.datetime64("2026-11-29"), "word": np.str_("x")}, zipped)
    # EMAHook exchanges the two when it saves: state_dict has the averages.
    save(f"{folder}/mmengine.pth", {
        "meta": {"mmengine_version": "0.10.7", "time": date, "work_dir": path}, "message_hub": {"log_scalars": {"loss": history}},
        "state_dict": older_state(10), "ema_state_dict": collections.OrderedDict(steps=torch.tensor(3), **prefixed(older_state(), "module."))}, zipped)
    save(f"{folder}/touch_beside.pth", {"state_dict": older_state(), "extra": Touch()}, zipped)
    save(f"{folder}/touch_inside.pth", {"state_dict": collections.OrderedDict(older_state(), extra=Touch())}, zipped)
    save(f"{folder}/touch.pth", Touch(), zipped)
    save(f"{folder}/module.pth", torch.nn.Linear(1, 1), zipped)
    save(f"{folder}/module_in_dict.pth", {"epoch": 1, "model": torch.nn.Linear(1, 1), "optimizer": optimizer.state_dict()}, zipped)


def all_arrays():
    """The same as numpy has them: no bfloat16."""
    arrays = {name: tensor.detach().numpy() for name, tensor in all_tensors().items() if tensor.dtype != torch.bfloat16}
    arrays["scalar"] = np.int64(7)
    arrays["transposed"] = np.asfortranarray(arrays["transposed"])
    arrays["f64"] = arrays["f64"].astype(">f8")
    arrays["i32"] = arrays["i32"].astype(">i4")
    return arrays


# Python 2's cPickle with protocol 2, as Detectron's model zoo has it.
def short_string(text):
    return b"U" + struct.pack("B", len(text)) + text


def python2_array(shape, dtype, data):
    sizes = b"(" + b"".join(b"K" + bytes([size]) for size in shape) + b"t"
    type_ = b"cnumpy\ndtype\n(" + short_string(dtype) + b"K\0K\1tR(K\3" + short_string(b"<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    return (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85" + short_string(b"b") + b"\x87R"
        b"(K\1" + sizes + type_ + b"I00\n" + b"T" + struct.pack("<I", len(data)) + data + b"tb"
    )


def write_python2():
    weight = python2_array([2, 1], b"f4", np.array([1.5, -200.25], "f4").tobytes())
    rate = b"cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\n(" + short_string(b"f8") + b"K\0K\1tR" + short_string(struct.pack("<d", 0.25)) + b"\x86R"
    blobs = b"}q\1(" + short_string(b"conv1_w") + weight + short_string(b"lr") + rate + b"u"
    write("numpy_pickle/detectron.pkl", b"\x80\2}q\0(" + short_string(b"blobs") + blobs + short_string(b"cfg") + short_string(b"MODEL: {}\n") + b"u.")
    # Protocol 0, all text: floats, escaped strings, an int in the place of a bool.
    text_type = b"cnumpy\ndtype\n(S'f4'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb"
    text_array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(L2L\nt"
        + text_type + b"I00\nS'\\x00\\x00\\xc0?\\x00@H\\xc3'\ntb"
    )
    write(
        "numpy_pickle/protocol0.pkl",
        b"(dp0\nS'a'\np1\n" + text_array + b"sV\\u00fc\n" + text_array + b"sS'note'\nS\"it's\\n\"\nsS'rate'\nF0.5\nsS'big'\nL123456789012345678901234567890L\ns.",
    )


def write_numpy():
    for protocol in 2, 4, 5:
        content = {"model": all_arrays(), "__author__": "someone", "matching_heuristics": True}
        write(f"numpy_pickle/all{protocol}.pkl", pickle.dumps(content, protocol))
    write_python2()


def caffe_messages():
    """Caffe's messages as its caffe.proto numbers them, all three formats of a layer."""
    of = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe", syntax="proto2")

    def message(title, /, **fields):
        added = file.message_type.add(name=title)
        for field, (number, kind, repeated) in fields.items():
            added.field.add(
                name=field,
                number=number,
                label=of.LABEL_REPEATED if repeated else of.LABEL_OPTIONAL,
                type=of.TYPE_MESSAGE if isinstance(kind, str) else kind,
                type_name=f".caffe.{kind}" if isinstance(kind, str) else None,
                options={"packed": True} if repeated and not isinstance(kind, str) and kind != of.TYPE_STRING else None,
            )

    four = {name: (i + 1, of.TYPE_INT32, False) for i, name in enumerate(("num", "channels", "height", "width"))}
    message("BlobShape", dim=(1, of.TYPE_INT64, True))
    message("BlobProto", **four, data=(5, of.TYPE_FLOAT, True), diff=(6, of.TYPE_FLOAT, True),
            shape=(7, "BlobShape", False), double_data=(8, of.TYPE_DOUBLE, True), double_diff=(9, of.TYPE_DOUBLE, True))
    message("V0LayerParameter", name=(1, of.TYPE_STRING, False), type=(2, of.TYPE_STRING, False),
            kernelsize=(8, of.TYPE_UINT32, False), blobs=(50, "BlobProto", True))
    message("V1LayerParameter", layer=(1, "V0LayerParameter", False), bottom=(2, of.TYPE_STRING, True),
            top=(3, of.TYPE_STRING, True), name=(4, of.TYPE_STRING, False), type=(5, of.TYPE_INT32, False),
            blobs=(6, "BlobProto", True))
    message("LayerParameter", name=(1, of.TYPE_STRING, False), type=(2, of.TYPE_STRING, False),
            bottom=(3, of.TYPE_STRING, True), top=(4, of.TYPE_STRING, True), blobs=(7, "BlobProto", True),
            phase=(10, of.TYPE_INT32, False))
    message("NetParameter", name=(1, of.TYPE_STRING, False), layers=(2, "V1LayerParameter", True),
            input=(3, of.TYPE_STRING, True), input_dim=(4, of.TYPE_INT32, True), layer=(100, "LayerParameter", True))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("caffe.NetParameter"))


def write_caffe():
    """The same two layers in each format, by Google's own writer; the gradients beside them are not read."""
    net_of = caffe_messages()
    weight = {"data": [0.5 * i for i in range(8)], "diff": [9.0] * 8}
    four = {"num": 2, "channels": 1, "height": 2, "width": 2}
    bias = {"num": 1, "channels": 1, "height": 1, "width": 2, "data": [1.0, -2.0]}
    v0 = {"layer": {"name": "conv1", "type": "conv", "kernelsize": 2, "blobs": [weight | four, bias]}, "top": ["conv1"]}
    v1 = {"name": "conv1", "type": 4, "bottom": ["data"], "top": ["conv1"], "blobs": [weight | four, bias]}
    now = {
        "name": "conv1", "type": "Convolution", "bottom": ["data"], "top": ["conv1"], "phase": 1,
        "blobs": [weight | {"shape": {"dim": [2, 1, 2, 2]}}, {"shape": {"dim": [2]}, "double_data": [1.0, -2.0]}],
    }
    for name, net in {
        "v0": {"name": "old", "layers": [{"layer": {"name": "relu1", "type": "relu"}}, v0]},
        "v1": {"name": "net", "layers": [{"name": "data", "type": 5}, v1], "input": ["data"], "input_dim": [1, 1, 4, 4]},
        "now": {"layer": [{"name": "data", "type": "Input"}, now]},
    }.items():
        write(f"caffemodel/{name}.caffemodel", net_of(**net).SerializeToString(deterministic=True))


def check_written(expected):
    for mmap in False, True:
        found = torch.load(FOLDER / "written/weights.pth", weights_only=True, mmap=mmap)
        assert type(found) is collections.OrderedDict and list(found) == sorted(expected)
        for name, tensor in expected.items():
            assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor), name
    with open(FOLDER / "written/weights.pkl", "rb") as file:
        found = pickle.load(file)
    assert found["__author__"] == "rcnn" and found["matching_heuristics"] is False
    expected = {name: tensor.numpy() for name, tensor in expected.items() if tensor.dtype != torch.bfloat16}
    assert list(found["model"]) == sorted(expected)
    for name, array in expected.items():
        assert found["model"][name].dtype == array.dtype and np.array_equal(found["model"][name], array), name


if __name__ == "__main__":
    for folder in "torch_zip", "torch_legacy", "numpy_pickle", "caffemodel", "safetensors":
        shutil.rmtree(FOLDER / folder, ignore_errors=True)
    write_torch("torch_zip", True)
    write_torch("torch_legacy", False)
    write_numpy()
    write_caffe()
    tensors = {name: tensor.detach().contiguous().clone() for name, tensor in all_tensors().items()}
    write("safetensors/expected.safetensors", safetensors.torch.save(tensors, {"format": "pt"}))
    check_written(tensors)
