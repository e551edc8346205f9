"""Writes what torchvision and detectron2 compute on photographs, for tests/parity: too large to be committed, so a test makes it.

For each constructor: random weights (parity_models.py) as NAME.weights.safetensors, or NAME.weights.pth, and
NAME.golden.safetensors with inputs and outputs. Inputs are decoded pixels, so that decoding stays apart; it has a file
of its own. Networks compute in float64: a choice that hangs on the last digit (a threshold, a limit, the order of two
scores) would otherwise fall differently in two correct programs. One case is all in float32, as people have it: its seed
is the first with which torchvision agrees with itself after its weights were shaken in their last digits, time and again.
The seed stands in the golden's metadata, with the versions.

Run: python tests/oracle/make_parity.py CASE... OUTPUT, with RCNN_DATA naming the data folder; the cases are backbones,
decoded, resize, the names of DETECTORS, any of these with ".training" behind, FLOAT32, and detectron2_NAME for those of
detectron2_parity.py. What is there already and newer than these scripts is left as it is. Exits with 77, which ctest takes
as skipped, where torchvision, detectron2 or the photographs are missing.
"""
import os
import pathlib
import sys

SCRIPTS = [pathlib.Path(__file__).parent / name for name in ("make_parity.py", "parity_models.py", "detectron2_parity.py")]


def is_made(case):
    done = pathlib.Path(sys.argv[-1]) / f"{case}.done"
    return done.exists() and done.stat().st_mtime > max(script.stat().st_mtime for script in SCRIPTS)


# Before the imports, which take seconds.
if __name__ == "__main__" and all(map(is_made, sys.argv[1:-1])):
    sys.exit()

SKIPPED = 77
try:
    import numpy as np
    import PIL
    import torch
    import torchvision
    from PIL import Image
    from safetensors.torch import save_file
except ImportError as missing:
    print(f"skipped: {missing}; pip install torchvision==0.26.0 safetensors pillow")
    sys.exit(SKIPPED)

import parity_models

BACKBONES = ("vgg16", "vgg16_bn", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
# Shorter side, and proposals before and after NMS. One runs as published, the others are small to be quick.
DETECTORS = {"fasterrcnn_resnet50_fpn": (800, 1000), "fasterrcnn_resnet50_fpn_v2": (224, 300),
             "fasterrcnn_resnet18_fpn": (224, 300), "fasterrcnn_resnet34_fpn": (224, 300),
             "fasterrcnn_resnet101_fpn": (224, 300), "fasterrcnn_resnet152_fpn": (224, 300)}
FLOAT32 = "fasterrcnn_resnet18_fpn.float32"
EVERYTHING, STEPS = 1_000_000, 10
SGD = dict(lr=2e-5, momentum=0.9, weight_decay=1e-4)
BOX_TOLERANCE, SCORE_TOLERANCE = 1e-2, 1e-4  # those of tests/parity


def decoded(file):
    return torch.from_numpy(np.asarray(Image.open(file).convert("RGB")).copy())


def as_input(image):
    return image.permute(2, 0, 1) / 255


def write(file, tensors, **metadata):
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__}
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, file,
              {key: str(value) for key, value in (versions | metadata).items()})


def same(got, want):
    """Whether two lists of detections are the same ones within half of the tests' tolerances."""
    for a, b in zip(got, want):
        if len(a["scores"]) != len(b["scores"]):
            return False
        near = (a["boxes"][:, None] - b["boxes"]).abs().amax(2) <= BOX_TOLERANCE / 2
        near &= (a["scores"][:, None] - b["scores"]).abs() <= SCORE_TOLERANCE / 2
        near &= a["labels"][:, None] == b["labels"]
        if not (near.any(0).all() and near.any(1).all()):
            return False
    return True


def backbone_maps(model, images):
    if hasattr(model, "features"):
        return {"conv5": model.features[:-1](images)}
    maps, x = {}, model.maxpool(model.relu(model.bn1(model.conv1(images))))
    for i, stage in enumerate((model.layer1, model.layer2, model.layer3, model.layer4)):
        maps[f"c{i + 2}"] = x = stage(x)
    return maps


@torch.no_grad()
def write_backbone(name, output):
    """Maps in float64, where a difference is one of method, and in float32, which tell what rounding does."""
    torch.manual_seed(7)
    images = torch.randn(1, 3, 97, 131)  # neither side divides evenly anywhere
    model = parity_models.randomize(parity_models.classifier(name), 0, lambda m: m(images))
    tensors = {key: value for key, value in parity_models.half_state(model).items() if not key.startswith("classifier.")}
    rounded = {f"float32.{key}": value for key, value in backbone_maps(model, images).items()}
    maps = rounded | backbone_maps(model.double(), images.double())
    save_file(tensors, output / f"{name}.weights.safetensors")
    write(output / f"{name}.golden.safetensors", {"images": images} | maps, seed=0)


def detector_options(name):
    size, proposals = DETECTORS[name]
    return dict(min_size=size, max_size=size * 1333 // 800, rpn_pre_nms_top_n_test=proposals,
                rpn_post_nms_top_n_test=proposals)


def write_detections(name, images, found, output, **metadata):
    size, proposals = DETECTORS[name.removesuffix(".float32")]
    tensors = {}
    for i, (image, detections) in enumerate(zip(images, found)):
        tensors |= {f"image.{i}": image, f"boxes.{i}": detections["boxes"].float(),
                    f"scores.{i}": detections["scores"].float(), f"labels.{i}": detections["labels"]}
    write(output / f"{name}.golden.safetensors", tensors, min_size=size, proposals=proposals, **metadata)
    print(f"{name}: {metadata}, {[len(detections['scores']) for detections in found]} detections", flush=True)


@torch.no_grad()
def write_detector(name, images, output):
    inputs = [as_input(image) for image in images]
    model = parity_models.randomize(parity_models.detector(name, **detector_options(name)), 0, lambda m: m(inputs))
    if name == "fasterrcnn_resnet50_fpn":  # one as people have them
        torch.save(parity_models.half_state(model), output / f"{name}.weights.pth")
    else:
        save_file(parity_models.half_state(model), output / f"{name}.weights.safetensors")
    found = model.double()([image.permute(2, 0, 1).double() / 255 for image in images])
    write_detections(name, images, found, output, seed=0)


@torch.no_grad()
def write_float32_detector(case, images, output):
    name = case.removesuffix(".float32")
    inputs = [as_input(image) for image in images]
    for seed in range(50):
        model = parity_models.randomize(parity_models.detector(name, **detector_options(name)), seed, lambda m: m(inputs))
        found = model(inputs)
        if all(same(parity_models.shaken(model, shake)(inputs), found) for shake in range(8)):
            save_file(parity_models.half_state(model), output / f"{case}.weights.safetensors")
            return write_detections(case, images, found, output, seed=seed)
        print(f"seed {seed} hangs on a last digit", flush=True)
    raise RuntimeError("no seed among the first 50 whose decisions survive rounding")


def train(model, inputs, targets):
    """Losses of STEPS steps of SGD; the first one's gradients."""
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], **SGD)
    curve, gradients = [], {}
    for step in range(STEPS):
        losses = model(inputs, targets)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        if step == 0:
            gradients = {n: p.grad.clone() for n, p in model.named_parameters() if p.requires_grad}
        optimizer.step()
        curve.append(torch.stack([losses[n].detach() for n in
                                  ("loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg")]))
    return torch.stack(curve), gradients


def with_float32_proposals(model):
    """Proposals are constants of the backward pass, and float32 in rcnn whatever the network's precision."""
    decode, choose = model.rpn.box_coder.decode, model.rpn.filter_proposals

    def filter_proposals(proposals, objectness, *rest):
        boxes, scores = choose(proposals.float(), objectness.float(), *rest)
        return [b.double() for b in boxes], scores

    model.rpn.box_coder.decode = lambda deltas, anchors: decode(deltas.float(), [a.float() for a in anchors])
    model.rpn.filter_proposals = filter_proposals
    return model


def write_training(name, images, output):
    """Total sampling: every anchor and every RoI takes part, and nothing is random. In float64: in float32 rounding opens
    and closes some of the millions of ReLUs, which moves torchvision's own gradients by a thousandth of their length."""
    options = dict(min_size=96, max_size=160, rpn_batch_size_per_image=EVERYTHING, box_batch_size_per_image=EVERYTHING,
                   box_positive_fraction=0.5, rpn_pre_nms_top_n_train=200, rpn_post_nms_top_n_train=50)
    inputs = [as_input(image) for image in images]
    torch.manual_seed(11)
    targets = []
    for image, count in zip(images, (3, 5)):
        height, width = image.shape[:2]
        corner, side = torch.rand(count, 2) * 0.6, 0.15 + torch.rand(count, 2) * 0.25
        boxes = torch.cat([corner, corner + side], 1) * torch.tensor([width, height, width, height])
        targets.append({"boxes": boxes, "labels": torch.randint(1, parity_models.CLASSES, (count,))})

    model = parity_models.randomize(parity_models.detector(name, **options), 0, lambda m: m(inputs))
    save_file(parity_models.half_state(model), output / f"{name}.training.weights.safetensors")
    curve, gradients = train(with_float32_proposals(model.double().train()), [image.permute(2, 0, 1).double() / 255 for image in images],
                             [target | {"boxes": target["boxes"].double()} for target in targets])
    tensors = {"losses": curve} | {f"gradient.{key}": value for key, value in gradients.items()}
    tensors |= {f"statistics.{key}": value for key, value in model.state_dict().items() if "running_" in key}
    for i, (image, target) in enumerate(zip(images, targets)):
        tensors |= {f"image.{i}": image, f"boxes.{i}": target["boxes"], f"labels.{i}": target["labels"]}
    write(output / f"{name}.training.golden.safetensors", tensors, seed=0, **SGD)
    print(f"{name}: training, losses {curve[0].tolist()} to {curve[-1].tolist()}", flush=True)


def write_resized(output, seed=0, count=300):
    """What Pillow and OpenCV make of the bytes of images of all sizes and shapes."""
    try:
        import cv2
    except ImportError as missing:
        print(f"skipped: {missing}; pip install opencv-python-headless")
        sys.exit(SKIPPED)
    random, tensors = np.random.default_rng(seed), {}
    # Before, rows came first always.
    has_both_orders = int(PIL.__version__.split(".")[0]) >= 13
    for i in range(count):
        old_height, old_width, height, width = np.exp(random.uniform(0, np.log(300), 4)).astype(int).tolist()
        if i % 10 == 0:
            old_height, old_width = 2 * height, 2 * width
        elif i % 10 == 1:
            height = old_height
        elif i % 10 == 2:
            old_height = 1
        elif i % 10 == 3:
            old_width = 1
        elif i % 10 == 4:
            old_height, old_width = (20, 5000) if i % 20 == 4 else (5000, 20)
        if not has_both_orders and old_height > height and old_height - height > 2 * (old_width - width):
            height = old_height
        image = random.integers(0, 256, (old_height, old_width, 3), dtype=np.uint8)
        if i % 7 == 0:
            image = (image > 127).astype(np.uint8) * 255
        tensors |= {f"image.{i}": torch.from_numpy(image),
                    f"pillow.{i}": torch.from_numpy(np.array(Image.fromarray(image).resize((width, height), Image.BILINEAR))),
                    f"opencv.{i}": torch.from_numpy(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR))}
    write(output / "resize.golden.safetensors", tensors, seed=seed, pillow=PIL.__version__, opencv=cv2.__version__)


def write_detectron2(name, images, output):
    try:
        import detectron2_parity
    except ImportError as missing:
        print(f"skipped: {missing}; tools/test.sh installs detectron2")
        sys.exit(SKIPPED)
    detectron2_parity.write_detector(name, images, output, write)


def make(case, images, output):
    torch.manual_seed(0)  # what a constructor draws and randomize() does not
    if case == "backbones":
        for name in BACKBONES:
            write_backbone(name, output)
    elif case == "decoded":
        write(output / "decoded.golden.safetensors", images)
    elif case == "resize":
        write_resized(output)
    elif case.startswith("detectron2_"):
        write_detectron2(case.removeprefix("detectron2_"), list(images.values()), output)
    elif case == FLOAT32:
        write_float32_detector(case, list(images.values())[:2], output)
    elif case in DETECTORS:
        write_detector(case, list(images.values())[:2 if case == "fasterrcnn_resnet50_fpn" else None], output)
    else:
        write_training(case.removesuffix(".training"), list(images.values())[:2], output)
    (output / f"{case}.done").touch()


def main():
    cases, output = sys.argv[1:-1], pathlib.Path(sys.argv[-1])
    photographs = pathlib.Path(os.environ.get("RCNN_DATA", "")) / "voc2012_slice" / "JPEGImages"
    files = sorted(photographs.glob("*.jpg"))[:3]
    if len(files) < 3:
        print(f"skipped: no three photographs in {photographs}")
        sys.exit(SKIPPED)
    output.mkdir(parents=True, exist_ok=True)
    images = {file.name: decoded(file) for file in files}
    for case in cases:
        if not is_made(case):
            make(case, images, output)


if __name__ == "__main__":
    main()
