#!/usr/bin/env python3
"""Record what a PyTorch model computes, so that a port of it can be checked without any weight file.

Every parameter and buffer is filled by a formula that depends on its name and an element's position alone, and so is the
input. The recording keeps the names and shapes of the state dict and a few samples of the outputs, of intermediate features
and of all gradients. `attention verify FILE` builds the model of the same name, fills it by the same formula and compares.

Usage
  record_reference.py timm:vit_tiny_patch16_224 --out vit_tiny_patch16_224.json
  record_reference.py package.module:factory --kwargs '{"num_classes": 10}' --input 1,3,224,224 --out my_model.json
  record_reference.py gpt:GPT --input tokens=2,32:50257 --path ~/nanoGPT --out gpt.json

The factory is called with the keyword arguments of --kwargs and gives a torch.nn.Module. `timm:NAME` calls
timm.create_model(NAME), with the model's own input size where no --input is given. The model that attention verify builds
is named by the factory, or, where that is no model of the registry, by the file.

An input is [NAME=]SHAPE[:HIGH], once for each argument of forward() in their order. Without HIGH it holds real numbers in
[-2, 2), with it whole numbers below HIGH. Names are input, input.1, input.2 and so on unless given.

A value is made from the tensor's name and the element's place i in row-major order, in 64-bit arithmetic modulo 2^64:
  hash = FNV-1a of the name's UTF-8 bytes
  z    = SplitMix64's output for the state hash + (i + 1) * 0x9E3779B97F4A7C15
  u    = the upper 24 bits of z, divided by 2^24
and by the rule that the recording names for it, computed in double and rounded to float32:
  weight  (2u - 1) * sqrt(3 / fan_in) * gain   parameters of two and more dimensions, fan_in = elements / first dimension
  scale   1 + 0.1 (2u - 1)                     what multiplies: 1-D weights, gammas, layer scales
  shift   0.1 (2u - 1)                         other parameters of at most one dimension, running means
  var     0.5 + u                              running variances
  input   2 (2u - 1), or floor(u * HIGH)       inputs
  probe   2u - 1                               weights of the loss whose gradients are recorded
Other buffers are `computed`: they keep the model's own values. Where outputs explode, lower --gain.
"""
import argparse
import contextlib
import copy
import dataclasses
import importlib
import json
import math
import pathlib
import re
import sys

import numpy
import torch

SAMPLES = {"output": 64, "feature": 16, "gradient": 4, "buffer": 4}
MOST_FEATURES = 40
DEEPEST_FEATURE = 4
ZERO_GRADIENT = 1e-12
SCALES = re.compile(r"(weight|gamma.*|.*layer_?scale.*|scale|scale_?\d+|ls\d*)$")
BLOCKS = re.compile(r"(^|\.)[A-Za-z_]*(blocks?|layers?|stages?|network|levels?)[A-Za-z_0-9]*\.\d+$")
MASK = (1 << 64) - 1


# --- values by formula ---------------------------------------------------------------------------

def uniform(name, count):
    """u of the elements 0 to count of the tensor `name`, exact in double."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 & MASK
    with numpy.errstate(over="ignore"):
        z = numpy.arange(1, count + 1, dtype=numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15) + numpy.uint64(seed)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            z = (z ^ z >> numpy.uint64(shift)) * numpy.uint64(factor)
        z ^= z >> numpy.uint64(31)
    return (z >> numpy.uint64(40)) / float(1 << 24)


def by_formula(name, shape, rule, gain=1.0, high=None):
    """The tensor `name`, filled by a rule."""
    count = math.prod(shape)
    u = uniform(name, count)
    if rule == "int":
        return torch.from_numpy(numpy.floor(u * high).astype(numpy.int64)).reshape(shape)
    centred = 2 * u - 1
    if rule == "weight":
        values = centred * math.sqrt(3 / (count // shape[0])) * gain
    else:
        values = {"scale": 1 + 0.1 * centred, "shift": 0.1 * centred, "var": 0.5 + u, "input": 2 * centred, "probe": centred}[rule]
    return torch.from_numpy(values.astype(numpy.float32)).reshape(shape)


def rule_of(name, tensor, is_buffer):
    leaf = name.split(".")[-1]
    if is_buffer:
        return {"running_mean": "shift", "running_var": "var"}.get(leaf, "computed")
    if not tensor.is_floating_point():
        return "computed"
    return "weight" if tensor.dim() >= 2 else "scale" if SCALES.match(leaf) else "shift"


def fill(model, gain):
    """Fills a model and lists its state dict. A tensor with two names takes its values from the first."""
    buffers = {id(buffer) for buffer in model.buffers()}
    first_names, entries = {}, []
    for name, tensor in model.state_dict(keep_vars=True).items():
        is_buffer = id(tensor) in buffers
        rule = rule_of(name, tensor, is_buffer)
        entry = {"name": name, "shape": list(tensor.shape), "dtype": dtype_name(tensor),
                 "kind": "computed" if rule == "computed" else "buffer" if is_buffer else "param", "fill": rule}
        if isinstance(tensor, torch.nn.Parameter) and not tensor.requires_grad:
            entry["requires_grad"] = False
        first = first_names.setdefault(id(tensor), name)
        if first != name:
            entry["alias_of"] = first
        elif rule == "computed":
            entry["value"] = summary(tensor, SAMPLES["buffer"])
        else:
            with torch.no_grad():
                tensor.copy_(by_formula(name, tensor.shape, rule, gain))
        entries.append(entry)
    return entries


# --- summaries -----------------------------------------------------------------------------------

def dtype_name(tensor):
    return str(tensor.dtype).split(".")[-1]


def flat(tensor):
    tensor = tensor.detach()
    return (tensor.int() if tensor.dtype == torch.bool else tensor).double().reshape(-1).numpy()


def json_number(value):
    value = float(value)
    return value if math.isfinite(value) else repr(value)


def shortest(value, tensor):
    """The value with the fewest digits that give its type back."""
    if not math.isfinite(value):
        return repr(float(value))
    if not tensor.is_floating_point():
        return int(value)
    return float(str(numpy.float32(value))) if tensor.dtype == torch.float32 else float(value)


def stride_for(count, wanted):
    """A step that takes `wanted` elements from `count`, coprime to it so that they fall on many rows and columns."""
    wanted = min(wanted, count)
    stride = max(1, (count - 1) // (wanted - 1)) if wanted > 1 else 1
    while math.gcd(stride, count) > 1:
        stride -= 1
    return wanted, max(stride, 1)


def summary(tensor, wanted):
    values, shape = flat(tensor), list(tensor.shape)
    if values.size == 0:
        return {"shape": shape}
    taken, stride = stride_for(values.size, wanted)
    indices = [k * stride for k in range(taken)]
    return {"shape": shape, "mean": json_number(values.mean()), "std": json_number(values.std()), "l2": json_number(numpy.sqrt(values @ values)),
            "max_abs": json_number(abs(values).max()), "stride": stride, "indices": indices,
            "samples": [shortest(value, tensor) for value in values[indices]]}


def rounded(value):
    return float(f"{float(value):.2g}") if math.isfinite(value) else repr(float(value))


def largest_difference(values, exact):
    """How far float32 is from float64, as a share of the largest value."""
    scale = abs(exact).max() if exact.size else 0
    return rounded(abs(values - exact).max() / (scale or 1)) if exact.size else 0.0


# --- one pass ------------------------------------------------------------------------------------

def tensors_of(value, name):
    """The floating-point tensors in nested tuples, lists and dictionaries."""
    if torch.is_tensor(value):
        if value.is_floating_point():
            yield name, value
        return
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (tuple, list)) else ()
    for key, each in items:
        yield from tensors_of(each, f"{name}.{key}")


def features_of(model):
    """Modules worth watching: the model's children and its numbered blocks, the shallow ones first where there are many."""
    idle = (torch.nn.Identity, torch.nn.Dropout, torch.nn.Dropout2d, torch.nn.ModuleList, torch.nn.ModuleDict)
    found = []
    for name, module in model.named_modules():
        depth = name.count(".") + 1
        is_idle = isinstance(module, idle) or type(module).__name__ == "DropPath"
        if name and not is_idle and depth <= DEEPEST_FEATURE and (depth == 1 or BLOCKS.search(name)):
            found.append((depth, len(found), name, module))
    kept = sorted(sorted(found)[:MOST_FEATURES], key=lambda each: each[1])
    return [(name, module) for _, _, name, module in kept]


@dataclasses.dataclass
class Pass:
    outputs: list
    features: list
    loss: torch.Tensor
    gradients: dict


def run(model, inputs):
    """Forward with features, and backward from the sum of each output weighted by its probe."""
    features, calls, hooks = [], {}, []

    def watch(name):
        def keep(_module, _inputs, output):
            call = calls[name] = calls.get(name, -1) + 1
            # A shared module: two calls are enough. Copies, since what follows may change a tensor in place.
            if call < 2:
                label = name if call == 0 else f"{name}#{call}"
                features.extend((path, tensor.detach().clone()) for path, tensor in tensors_of(output, label))
        return keep

    for name, module in features_of(model):
        hooks.append(module.register_forward_hook(watch(name)))
    model.zero_grad()
    outputs = list(tensors_of(model(*inputs), "output"))
    for hook in hooks:
        hook.remove()
    terms = []
    for i, (_, output) in enumerate(outputs):
        if output.requires_grad:
            probe = by_formula("grad_probe" if i == 0 else f"grad_probe.{i}", output.shape, "probe").to(output.dtype)
            terms.append((output * probe).sum() / output.numel())
    if not terms:
        raise SystemExit("error: no gradient reaches an output: the model has no parameters on the way")
    loss = sum(terms[1:], terms[0])
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.requires_grad}
    return Pass([(name, output.detach()) for name, output in outputs], features, loss.detach(), gradients)


@contextlib.contextmanager
def choices_watched(gaps):
    """Notes how close the last chosen and the first rejected value of every top-k are: a choice within rounding may differ."""
    topk = torch.topk

    def watched(values, k, dim=-1, *rest, **options):
        if k < values.shape[dim]:
            best = topk(values.detach(), k + 1, dim=dim)[0].double()
            last = best.select(dim, k - 1)
            gap = last - best.select(dim, k)
            gaps.append((float(gap.min()), float(values.detach().abs().max()), gap.numel(), int((gap < 1e-5 * last.abs()).sum())))
        return topk(values, k, dim, *rest, **options)

    torch.topk = watched
    try:
        yield
    finally:
        torch.topk = topk


@contextlib.contextmanager
def in_double():
    """Makes code that asks for float32 by name compute in float64."""
    kept = torch.get_default_dtype(), torch.float32, torch.float, torch.Tensor.float
    torch.set_default_dtype(torch.float64)
    torch.float32 = torch.float = torch.float64
    torch.Tensor.float = torch.Tensor.double
    try:
        yield
    finally:
        _, torch.float32, torch.float, torch.Tensor.float = kept
        torch.set_default_dtype(kept[0])


# --- the recording -------------------------------------------------------------------------------

def record(factory, kwargs, inputs, gain, double):
    torch.manual_seed(0)
    model = build(factory, kwargs).eval()
    state = fill(model, gain)
    inputs = inputs or [default_input(model)]
    tensors = [by_formula(each["name"], each["shape"], "int" if each["kind"] == "int" else "input", high=each.get("high")) for each in inputs]
    # Copied before it runs: some models keep tables that they compute on the way.
    twin = copy.deepcopy(model) if double else None
    gaps = []
    with choices_watched(gaps):
        single = run(model, tensors)

    outputs = [{"name": name, **summary(output, SAMPLES["output"])} for name, output in single.outputs]
    features = [{"name": name, **summary(feature, SAMPLES["feature"])} for name, feature in single.features]
    gradients = [gradient_entry(name, gradient) for name, gradient in single.gradients.items()]
    noise = {"available": False}
    if double:
        with in_double():
            exact = run(twin.double(), [each.double() if each.is_floating_point() else each for each in tensors])
        noise = add_noise(single, exact, outputs, features, gradients)

    saved = model.state_dict()
    norm = math.sqrt(sum(entry["l2"] ** 2 for entry in gradients if isinstance(entry["l2"], float)))
    return {
        "format": "parity-lab/1",
        "source": {"module": type(model).__module__, "class": type(model).__qualname__},
        "factory": factory, "kwargs": kwargs, "torch": torch.__version__, "numpy": numpy.__version__, "threads": torch.get_num_threads(),
        "gain": gain, "mode": "eval", "parameter_count": sum(parameter.numel() for parameter in model.parameters()),
        "inputs": inputs, "outputs": outputs,
        "topk": {"calls": len(gaps), "rows": sum(each[2] for each in gaps), "min_margin": json_number(min(each[0] for each in gaps)),
                 "max_abs_of_scores": json_number(max(each[1] for each in gaps)),
                 "rows_with_relative_margin_below_1e-5": sum(each[3] for each in gaps)} if gaps else None,
        "noise": noise, "features": features,
        "backward": {"loss": json_number(single.loss), "formula": "sum over outputs of sum(output * r) / numel, r = 2u - 1 of grad_probe, grad_probe.1, ...",
                     "grad_l2_total": json_number(norm), "grads": gradients},
        "state": state,
        "nonpersistent_buffers": [{"name": name, "shape": list(buffer.shape), "dtype": dtype_name(buffer), "kind": "computed", "value": summary(buffer, SAMPLES["buffer"])}
                                  for name, buffer in model.named_buffers() if name not in saved],
    }


def build(factory, kwargs):
    module, _, name = factory.partition(":")
    if not name:
        raise SystemExit(f"error: '{factory}' is no factory: write package.module:function or timm:NAME")
    try:
        if module == "timm":
            return importlib.import_module("timm").create_model(name, pretrained=False, **kwargs)
        return getattr(importlib.import_module(module), name)(**kwargs)
    except ImportError as error:
        raise SystemExit(f"error: {error}\nhint: name the folder that holds the package with --path") from error
    except AttributeError as error:
        raise SystemExit(f"error: {error}") from error


def default_input(model):
    config = getattr(model, "pretrained_cfg", None) or getattr(model, "default_cfg", None) or {}
    return {"name": "input", "shape": [2, *config.get("input_size", (3, 224, 224))], "kind": "float"}


def gradient_entry(name, gradient):
    if gradient is None:
        return {"name": name, "l2": None}
    values = flat(gradient)
    taken, stride = stride_for(values.size, SAMPLES["gradient"])
    return {"name": name, "l2": json_number(numpy.sqrt(values @ values)), "stride": stride,
            "samples": [shortest(values[k * stride], gradient) for k in range(taken)]}


def add_noise(single, exact, outputs, features, gradients):
    for entry, (_, output), (_, true) in zip(outputs, single.outputs, exact.outputs):
        entry["noise"] = largest_difference(flat(output), flat(true))
        entry["samples_f64"] = [json_number(value) for value in flat(true)[entry["indices"]]]
    for entry, (_, feature), (_, true) in zip(features, single.features, exact.features):
        entry["noise"] = largest_difference(flat(feature), flat(true))
    largest = max((abs(flat(gradient)).max() for gradient in exact.gradients.values() if gradient is not None and gradient.numel()), default=0)
    worst = {"name": "", "noise": 0.0}
    for entry in gradients:
        true = exact.gradients.get(entry["name"])
        if entry["l2"] is None or true is None:
            continue
        difference, norm = numpy.linalg.norm(flat(single.gradients[entry["name"]]) - flat(true)), numpy.linalg.norm(flat(true))
        entry["noise"] = rounded(difference / (norm or 1))
        if norm < ZERO_GRADIENT * max(1, largest):
            entry["zero"] = True
        elif isinstance(entry["noise"], float) and entry["noise"] > worst["noise"]:
            worst = {"name": entry["name"], "noise": entry["noise"]}
    return {"available": True, "loss_f64": json_number(exact.loss), "output": max((entry["noise"] for entry in outputs), default=0.0), "worst_grad": worst}


def write(recording, path):
    """JSON with a line for each tensor."""
    def lines(entries):
        return "[\n" + ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in entries) + "\n]" if entries else "[]"

    parts = []
    for key, value in recording.items():
        if key == "backward":
            text = json.dumps({name: each for name, each in value.items() if name != "grads"}, separators=(",", ":"))
            text = f'{text[:-1]},"grads":{lines(value["grads"])}}}'
        else:
            text = lines(value) if key in ("outputs", "features", "state", "nonpersistent_buffers") else json.dumps(value, separators=(",", ":"))
        parts.append(f"{json.dumps(key)}:{text}")
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n")


# --- the command ---------------------------------------------------------------------------------

def parse_input(text, place):
    name, _, rest = text.rpartition("=")
    shape, _, high = rest.partition(":")
    try:
        entry = {"name": name or ("input" if place == 0 else f"input.{place}"), "shape": [int(size) for size in shape.split(",") if size], "kind": "int" if high else "float"}
        return {**entry, "high": int(high)} if high else entry
    except ValueError as error:
        raise SystemExit(f"error: input '{text}' is not [NAME=]SHAPE[:HIGH], such as 1,3,224,224 or tokens=2,32:50257") from error


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("factory", help="package.module:function, or timm:NAME")
    parser.add_argument("--kwargs", default="{}", help="keyword arguments of the factory, a JSON object")
    parser.add_argument("--input", action="append", default=[], metavar="[NAME=]SHAPE[:HIGH]", help="an argument of forward(); may be given again")
    parser.add_argument("--gain", type=float, default=1.0, help="factor of all weights, below 1 where outputs explode")
    parser.add_argument("--path", action="append", default=[], help="a folder to import from; may be given again")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-double", action="store_true", help="leave out the pass in float64 that measures rounding")
    parser.add_argument("--out", type=pathlib.Path, required=True, metavar="FILE")
    arguments = parser.parse_args()
    try:
        kwargs = json.loads(arguments.kwargs)
    except json.JSONDecodeError as error:
        raise SystemExit(f"error: --kwargs is no JSON: {error}") from error
    sys.path[:0] = [str(pathlib.Path(each).expanduser()) for each in arguments.path] + ["."]
    torch.set_num_threads(arguments.threads)
    inputs = [parse_input(text, place) for place, text in enumerate(arguments.input)]
    recording = record(arguments.factory, kwargs, inputs, arguments.gain, not arguments.no_double)
    write(recording, arguments.out)
    print(f"{arguments.out}: {recording['parameter_count']} parameters, {len(recording['features'])} features, "
          + ", ".join(f"{output['name']} {tuple(output['shape'])}" for output in recording["outputs"]))
    if any(isinstance(value, str) for output in recording["outputs"] for value in (output["mean"], *output["samples"])):
        raise SystemExit("error: an output is not finite: record again with a smaller --gain")


if __name__ == "__main__":
    main()
