"""Makes checkpoints with the PyTorch of the machine: make_files.py [FOLDER].

Without a folder, the few in Files/ that the repository keeps; with one, those and more. The values are arange(n) - 5 of each
type, so that the tests need not repeat them.
"""
import argparse
import collections
import datetime
import pathlib
import sys

import numpy
import torch

folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "Files"
folder.mkdir(parents=True, exist_ok=True)


def values(*shape, dtype=torch.float32):
    count = int(numpy.prod(shape)) if shape else 1
    return (torch.arange(count) - 5).to(dtype).reshape(shape)


def save(name, value, **options):
    torch.save(value, folder / name, **options)


TYPES = ["float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64", "complex128"]
types = collections.OrderedDict((name, values(3, 4, dtype=getattr(torch, name))) for name in TYPES)
for suffix, options in {"zip": {}, "legacy": {"_use_new_zipfile_serialization": False}}.items():
    save(f"types-{suffix}.pth", types, **options)

    base = values(4, 6)
    save(f"views-{suffix}.pth", {
        "whole": base,
        "transposed": base.t(),
        "row": base[2],
        "column": base[:, 3],
        "corner": base[1:3, 2:5],
        "expanded": base[0, :1].expand(5, 6),
        "scalar": base[3, 3],
        "empty": base[:0],
        "channels_last": values(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "parameter": torch.nn.Parameter(values(3)),
    }, **options)

torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
wrapped = torch.nn.DataParallel(net)
save("nested.pth", {
    "model": wrapped.state_dict(),
    "model_ema": collections.OrderedDict(("module._orig_mod." + name, tensor + 1) for name, tensor in net.state_dict().items()),
    "optimizer": torch.optim.AdamW(net.parameters()).state_dict(),
    "epoch": 7, "best": 0.5, "big": 1 << 70, "name": "grün", "raw": b"\x00\xff", "sizes": torch.Size([1, 2]), "none": None, "flags": (True, False),
}, pickle_protocol=2)
save("namespace.pth", {"model": net.state_dict(), "args": argparse.Namespace(lr=0.1)})
if len(sys.argv) > 1:
    save("protocol4.pth", {"state_dict": net.state_dict(), "raw": b"\x00\xff"}, pickle_protocol=4)
    save("numpy-scalar.pth", {"model": net.state_dict(), "best": numpy.float64(0.5)})
    # What published files hold beside the weights: scalars, arguments, counters of schedulers, random states, dates.
    scheduler = torch.optim.lr_scheduler.MultiStepLR(torch.optim.SGD(net.parameters(), 0.1), [3, 7])
    attributed = torch.nn.Parameter(values(3))
    attributed.no_weight_decay = True
    for protocol in (2, 3, 4, 5):
        save(f"training-{protocol}.pth", {
            "epoch": 300, "best_acc1": torch.tensor(81.3), "loss": numpy.float32(0.5), "confusion": numpy.zeros((2, 2)), "dtype": numpy.dtype("int64"),
            "args": argparse.Namespace(lr=0.1, output=pathlib.PosixPath("/tmp/x"), tags={"a", "b"}, betas=(0.9, 0.999), span=slice(1, 2), order=range(3)),
            "scheduler": scheduler.state_dict(), "history": collections.defaultdict(list, {"top1": [1.0]}), "when": datetime.datetime(2024, 1, 2),
            "frozen": frozenset([1]), "raw": bytearray(b"xyz"), "device": torch.device("cuda:0"), "dtypes": [torch.float32, torch.bfloat16],
            "random": numpy.random.RandomState(0).get_state(), "version": torch.__version__,
            "state_dict": collections.OrderedDict([*net.state_dict().items(), ("attributed", attributed)]),
        }, pickle_protocol=protocol)
    save("module.pth", torch.nn.Linear(1, 1))
    save("tensor.pth", values(3))
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), folder / "script.pt")
