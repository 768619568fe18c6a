#!/usr/bin/env python3
"""Record what a detector of torchvision computes, so that `attention verify` can compare a port with it.

Weights and images are made by formula, as record_reference.py makes them; a weight's gain may depend on its name, so that scores
differ enough to be ordered. The recording has the batch, the maps, the detections, the losses and all gradients. Samplers take
everything, so that no random number is left, and batch norms keep their statistics.

Usage
  record_detector.py maskrcnn_resnet50_fpn_v2 --gains 'cls_score=14' 'mask_fcn_logits=6' --out maskrcnn_resnet50_fpn_v2.json
"""
import argparse
import copy
import json
import math
import pathlib
import re

import numpy
import torch
import torchvision

from record_reference import by_formula, dtype_name, fill, gradient_entry, in_double, largest_difference, flat, summary, uniform

WHOLE = 600
SQUARE = 16
EVERYTHING = 1_000_000
TARGETS = [{"boxes": [[10.5, 20.25, 90.0, 120.75], [100.0, 30.0, 180.5, 90.0], [60.0, 70.0, 124.0, 134.0]], "labels": [1, 17, 20]},
           {"boxes": [[10.0, 12.0, 74.25, 100.5], [40.0, 60.0, 140.0, 190.0]], "labels": [11, 3]}]
SIZES = [(160, 192), (208, 160)]


def image(name, height, width):
    """Squares with some noise: pure noise looks alike everywhere."""
    down, across = -(-height // SQUARE), -(-width // SQUARE)
    squares = uniform(f"{name}.block", 3 * down * across).reshape(3, down, across)
    squares = squares.repeat(SQUARE, 1).repeat(SQUARE, 2)[:, :height, :width]
    return torch.from_numpy((0.75 * squares + 0.25 * uniform(name, 3 * height * width).reshape(3, height, width)).astype(numpy.float32))


def ellipse(box, height, width):
    x, y = numpy.arange(width) + 0.5, numpy.arange(height)[:, None] + 0.5
    inside = ((x - (box[0] + box[2]) / 2) / ((box[2] - box[0]) / 2)) ** 2 + ((y - (box[1] + box[3]) / 2) / ((box[3] - box[1]) / 2)) ** 2 <= 1
    return torch.from_numpy(inside.astype(numpy.uint8))


def run_lengths(mask):
    """Lengths of zeros and ones in turn, column by column."""
    values = mask.t().reshape(-1).numpy()
    edges = numpy.flatnonzero(numpy.diff(values)) + 1
    lengths = numpy.diff(numpy.concatenate(([0], edges, [values.size]))).tolist()
    return ([0] if values[0] else []) + lengths


def row(name, tensor, exact):
    entry = {"name": name, **summary(tensor, 64), "dtype": dtype_name(tensor)}
    if tensor.numel() <= WHOLE:
        for key in ("stride", "indices", "samples"):
            entry.pop(key, None)
        entry["values"] = tensor.detach().tolist()
    if tensor.shape != exact.shape:
        raise SystemExit(f"error: float64 chose other objects for '{name}': take another image")
    if tensor.is_floating_point():
        entry["noise"] = largest_difference(flat(tensor), flat(exact))
    else:
        entry["f64_same"] = bool((tensor == exact).all())
    return entry


def run(model, images, targets):
    """Stages and detections in evaluation, losses and gradients in training."""
    model.eval()
    with torch.no_grad():
        batch, _ = model.transform(images)
        maps = model.backbone(batch.tensors)
        found = model(images)
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    model.zero_grad()
    losses = model(images, copy.deepcopy(targets))
    sum(losses.values()).backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.requires_grad}
    return batch, maps, found, losses, gradients


def record(name, gains, seed, sizes):
    retina = name.startswith("retinanet")
    kwargs = {"weights": None, "weights_backbone": None, "num_classes": 21, "min_size": 128, "max_size": 1333}
    if retina:
        kwargs |= {"topk_candidates": 30, "detections_per_img": 20}
    else:
        kwargs |= {f"rpn_{when}_nms_top_n_{mode}": 40 for when in ("pre", "post") for mode in ("train", "test")}
        kwargs |= {"rpn_batch_size_per_image": EVERYTHING, "box_batch_size_per_image": EVERYTHING, "box_detections_per_img": 20}
    torch.manual_seed(0)
    model = getattr(torchvision.models.detection, name)(**kwargs)
    state = fill(model, 1)
    with torch.no_grad():
        for entry, (key, tensor) in zip(state, model.state_dict(keep_vars=True).items()):
            if entry["fill"] == "weight":
                entry["gain"] = ([0.8] + [gain for pattern, gain in gains if re.search(pattern, key)])[-1]
                tensor.copy_(by_formula(key, tensor.shape, "weight", entry["gain"]))
    names = [f"image{seed}.{i}" for i in range(len(sizes))]
    images = [image(each, *size) for each, size in zip(names, sizes)]
    targets = [{"boxes": torch.tensor(each["boxes"]), "labels": torch.tensor(each["labels"])} for each in TARGETS]
    for target, size in zip(targets, sizes):
        target["masks"] = torch.stack([ellipse(box, *size) for box in target["boxes"].tolist()])
    twin = copy.deepcopy(model).double()
    batch, maps, found, losses, gradients = run(model, images, targets)
    with in_double():
        exact = run(twin, [each.double() for each in images], [{**each, "boxes": each["boxes"].double()} for each in targets])

    entries = [gradient_entry(key, gradient) for key, gradient in gradients.items()]
    for entry in entries:
        one, two = gradients[entry["name"]].double(), exact[4][entry["name"]]
        entry["noise"] = float(f"{float((one - two).norm() / two.norm()):.2g}") if float(two.norm()) else 0.0
    detections = [row(f"{i}.{key}", each[key], exact[2][i][key]) for i, each in enumerate(found) for key in ("boxes", "scores", "labels", "masks") if key in each]
    if not all(entry.get("f64_same", True) for entry in detections):
        raise SystemExit("error: float64 chose other objects: take another image")
    return {
        "format": "parity-lab-dense/1", "torch": torch.__version__, "torchvision": torchvision.__version__, "threads": torch.get_num_threads(),
        "factory": f"torchvision.models.detection.{name}", "kwargs": kwargs, "gain": 0.8, "gains": gains,
        "images": [{"name": each, "kind": "image", "shape": [3, *size]} for each, size in zip(names, sizes)],
        "targets": [{"image": i, "boxes": each["boxes"], "labels": each["labels"],
                     "mask_rle_counts_column_major": [run_lengths(mask) for mask in target["masks"]]} for i, (each, target) in enumerate(zip(TARGETS, targets))],
        "parameter_count": sum(parameter.numel() for parameter in model.parameters()),
        "eval": {
            "transform": {"rows": [row("batch", batch.tensors, exact[0].tensors)]},
            "fpn": {"rows": [row(key, each, exact[1][key]) for key, each in maps.items()]},
            "detections": {"rows": detections},
        },
        "train": {
            "losses": {key: {"value": float(loss), "f64": float(exact[3][key])} for key, loss in losses.items()},
            "gradients": {"grad_l2_total": math.sqrt(sum(float(each.double().norm()) ** 2 for each in gradients.values() if each is not None)), "grads": entries},
        },
        "state": state,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="a detector of torchvision.models.detection")
    parser.add_argument("--gains", nargs="*", default=[], metavar="PATTERN=GAIN", help="factors of weights whose name has the pattern; the last match wins")
    parser.add_argument("--seed", type=int, default=0, help="which images")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    options = parser.parse_args()
    gains = [[pattern, float(gain)] for pattern, _, gain in (each.rpartition("=") for each in options.gains)]
    torch.set_num_threads(2)
    options.out.write_text(json.dumps(record(options.name, gains, options.seed, SIZES), separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
