"""Writes tests/fixtures/proposals: the same two images with stored proposals in every format that is read, as numpy's and
Python's pickle and scipy write them. One folder a format; the fuzzers of tests/fuzz begin with the same files. Python 2's
pickles are written by hand, instruction by instruction.

    make_proposals.py                    writes them
    make_proposals.py --read FOLDER      the other way round: reads FOLDER/{ids,list}.pkl and FOLDER/{ids,list}.mat, which rcnn
                                         wrote, as detectron2 and py-faster-rcnn do, and prints one JSON list of
                                         [id, boxes, scores]; the boxes are (x1, y1, x2, y2), x2 and y2 exclusive

Exits with 77 where scipy or numpy is missing.
"""

import json
import pathlib
import pickle
import shutil
import struct
import sys

try:
    import numpy as np
    import scipy.io
except ImportError:
    sys.exit(77)

FOLDER = pathlib.Path(__file__).parents[1] / "fixtures" / "proposals"
IDS = [7, 12]
BOXES = [np.array([[0, 0, 20, 10], [3, 4, 33, 44]], "f4"), np.array([[10, 20, 30, 40]], "f4")]  # x2 and y2 exclusive
SCORES = [np.array([0.75, 0.5], "f4"), np.array([0.25], "f4")]
INCLUSIVE = [boxes - np.array([0, 0, 1, 1], "f4") for boxes in BOXES]
MATLAB = [boxes[:, (1, 0, 3, 2)] + 1 for boxes in INCLUSIVE]


def write(name, content):
    file = FOLDER / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def write_pickle(name, content, protocol):
    write(f"proposal_pickle/{name}.pkl", pickle.dumps(content, protocol))


def detectron2(ids, boxes, **more):
    return {"boxes": boxes, "objectness_logits": SCORES, "ids": ids, **more}


def write_pickles():
    write_pickle("detectron2", detectron2(IDS, BOXES, bbox_mode=0), 4)
    sizes = [np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1).astype("f8") for boxes in BOXES]
    write_pickle("sizes", detectron2(np.array(IDS), sizes, bbox_mode=np.int64(1)), 5)
    write_pickle("half", detectron2([np.int64(i) for i in IDS], [np.asfortranarray(b.astype("f2")) for b in BOXES]), 2)
    write_pickle("texts", detectron2(np.array(["7", "12"]), [b.astype(">i4") for b in BOXES]), 4)
    write_pickle("lists", detectron2(IDS, [b.tolist() for b in BOXES]), 2)
    # Best last: what is read is sorted.
    backwards = [b[::-1] for b in INCLUSIVE], [s[::-1] for s in SCORES]
    write_pickle("detectron", {"boxes": backwards[0], "scores": backwards[1], "ids": IDS, "cfg": "MODEL: {}\n"}, 2)
    write_pickle("indexes", {"boxes": INCLUSIVE, "scores": SCORES, "indexes": IDS}, 0)
    write_pickle("py_faster_rcnn", [b.astype("u2") for b in INCLUSIVE], 2)
    write("proposal_pickle/python2.pkl", python2())


def short_string(text):
    return b"U" + struct.pack("B", len(text)) + text


def python2_array(array):
    sizes = b"(" + b"".join(b"K" + bytes([size]) for size in array.shape) + b"t"
    type_ = b"cnumpy\ndtype\n(" + short_string(b"f4") + b"K\0K\1tR(K\3" + short_string(b"<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    return (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85" + short_string(b"b") + b"\x87R"
        b"(K\1" + sizes + type_ + b"I00\nT" + struct.pack("<I", array.nbytes) + array.tobytes() + b"tb"
    )


def python2():
    """What cPickle of Python 2 with protocol 2 makes of Detectron's dict."""
    lists = [(b"boxes", INCLUSIVE), (b"scores", SCORES)]
    items = b"".join(short_string(key) + b"](" + b"".join(map(python2_array, arrays)) + b"e" for key, arrays in lists)
    ids = short_string(b"ids") + b"](" + b"".join(b"K" + bytes([i]) for i in IDS) + b"e"
    return b"\x80\2}(" + items + ids + short_string(b"cfg") + short_string(b"MODEL: {}\n") + b"u."


def cells(items):
    array = np.empty((1, len(items)), object)
    array[0, :] = items
    return array


def write_mats():
    for name, boxes, more, compressed in [
        ("voc", [b.astype("f8") for b in MATLAB], {}, False),
        ("compressed", [b.astype("u2") for b in MATLAB], {"other": np.eye(3)}, True),
        ("names", MATLAB, {"images": cells(["7.jpg", "12"])}, True),
    ]:
        file = FOLDER / "proposal_mat" / f"{name}.mat"
        file.parent.mkdir(parents=True, exist_ok=True)
        scipy.io.savemat(file, {"boxes": cells(boxes), **more}, do_compression=compressed)
        bytes_ = bytearray(file.read_bytes())
        bytes_[:116] = b"MATLAB 5.0 MAT-file, written by scipy".ljust(116)  # which puts the time there
        file.write_bytes(bytes_)


def write_json():
    entries = [
        {"image_id": i, "category_id": 1, "bbox": [float(b[0]), float(b[1]), float(b[2] - b[0]), float(b[3] - b[1])], "score": float(s)}
        for i, boxes, scores in zip(IDS, BOXES, SCORES) for b, s in zip(boxes, scores)
    ]
    write("proposal_json/coco.json", json.dumps(entries[::-1]).encode())


def read_written(folder):
    with open(folder / "ids.pkl", "rb") as file:
        content = pickle.load(file)
    assert content["bbox_mode"] == 0
    found = []
    for id_, boxes, scores in zip(content["ids"], content["boxes"], content["objectness_logits"]):
        assert boxes.dtype == np.float32 and boxes.shape == (len(scores), 4)
        found.append([id_, boxes.tolist(), scores.tolist()])
    with open(folder / "list.pkl", "rb") as file:
        found += [[None, (boxes + [0, 0, 1, 1]).tolist(), None] for boxes in pickle.load(file)]
    for name in "ids.mat", "list.mat":
        content = scipy.io.loadmat(folder / name)
        boxes = [b[:, (1, 0, 3, 2)] - [1, 1, 0, 0] for b in content["boxes"].ravel()]
        ids = [str(n[0]) for n in content["images"].ravel()] if "images" in content else [None] * len(boxes)
        found += [[i, b.tolist(), None] for i, b in zip(ids, boxes)]
    return found


if __name__ == "__main__":
    if sys.argv[1:2] == ["--read"]:
        print(json.dumps(read_written(pathlib.Path(sys.argv[2]))))
    else:
        shutil.rmtree(FOLDER, ignore_errors=True)
        write_json()
        write_pickles()
        write_mats()
