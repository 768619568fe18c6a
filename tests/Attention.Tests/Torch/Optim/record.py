#!/usr/bin/env python3
"""Writes reference.json beside this file: what PyTorch's optimizers and schedulers do, step by step.

The gradient is a formula (see gradient()), so that a test needs no model. Run with PyTorch 2.x: 1.13 gives the same but
for NAdam, where it multiplies by one momentum twice.
"""
import json
import os

import torch

torch.set_default_dtype(torch.float64)
STEPS = 5


def start():
    return [torch.nn.Parameter(torch.sin(torch.arange(6.0)).reshape(2, 3)),
            torch.nn.Parameter(torch.cos(torch.arange(4.0)))]


def gradient(p, step):
    return 0.3 * p.detach() + torch.cos(torch.arange(float(p.numel())) * (step + 1)).reshape(p.shape)


def optimizers():
    table = {
        "SGD": [dict(lr=0.1), dict(lr=0.1, momentum=0.9), dict(lr=0.1, momentum=0.9, dampening=0.2, weight_decay=0.05),
                dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.05), dict(lr=0.1, momentum=0.5, maximize=True)],
        "Adam": [dict(lr=0.05), dict(lr=0.05, beta1=0.8, beta2=0.95, eps=1e-3, weight_decay=0.1), dict(lr=0.05, amsgrad=True),
                 dict(lr=0.05, maximize=True)],
        "AdamW": [dict(lr=0.05, weight_decay=0.0), dict(lr=0.05, beta1=0.8, beta2=0.95, eps=1e-3, weight_decay=0.1),
                  dict(lr=0.05, amsgrad=True, weight_decay=0.1), dict(lr=0.05, maximize=True, weight_decay=0.1)],
        "Adagrad": [dict(lr=0.1), dict(lr=0.1, lr_decay=0.1, weight_decay=0.05, initial_accumulator_value=0.5, eps=1e-3)],
        "Adadelta": [dict(lr=1.0), dict(lr=0.5, rho=0.8, eps=1e-3, weight_decay=0.05), dict(lr=1.0, maximize=True)],
        "Adamax": [dict(lr=0.05), dict(lr=0.05, beta1=0.8, beta2=0.95, eps=1e-3, weight_decay=0.1)],
        "NAdam": [dict(lr=0.05), dict(lr=0.05, beta1=0.8, beta2=0.95, eps=1e-3, weight_decay=0.1, momentum_decay=0.01)],
        "RAdam": [dict(lr=0.05), dict(lr=0.05, beta1=0.8, beta2=0.999, eps=1e-3, weight_decay=0.1), dict(lr=0.05, beta1=0.9, beta2=0.3)],
        "RMSProp": [dict(lr=0.05), dict(lr=0.05, alpha=0.9, eps=1e-3, weight_decay=0.1, momentum=0.8),
                    dict(lr=0.05, centered=True), dict(lr=0.05, maximize=True)],
        "ASGD": [dict(lr=0.1), dict(lr=0.1, lambd=0.01, alpha=0.5, t0=2.0, weight_decay=0.1)],
        "Rprop": [dict(lr=0.05), dict(lr=0.05, etaminus=0.4, etaplus=1.5, min_step=0.01, max_step=0.1)],
    }
    for name, cases in table.items():
        for options in cases:
            yield name, options


def make(name, params, options):
    options = dict(options)
    if "beta1" in options:
        options["betas"] = (options.pop("beta1"), options.pop("beta2"))
    if "etaminus" in options:
        options["etas"] = (options.pop("etaminus"), options.pop("etaplus"))
        options["step_sizes"] = (options.pop("min_step"), options.pop("max_step"))
    return getattr(torch.optim, {"RMSProp": "RMSprop"}.get(name, name))(params, **options)


def record_optimizers():
    for name, options in optimizers():
        params = start()
        optimizer = make(name, params, options)
        values = []
        for step in range(STEPS):
            for p in params:
                p.grad = gradient(p, step)
            optimizer.step()
            values.append([v for p in params for v in p.detach().flatten().tolist()])
        yield dict(optimizer=name, options=options, values=values)


def record_lbfgs():
    params = start()
    optimizer = torch.optim.LBFGS(params, lr=0.5, max_iter=4, tolerance_grad=1e-5, tolerance_change=1e-9, history_size=3)

    def closure():
        optimizer.zero_grad()
        loss = sum(((p - 0.5) ** 4 + 0.1 * p ** 2).sum() for p in params)
        loss.backward()
        return loss

    values = []
    for _ in range(STEPS):
        loss = optimizer.step(closure)
        values.append([loss.item()] + [v for p in params for v in p.detach().flatten().tolist()])
    return values


def schedulers(o):
    s = torch.optim.lr_scheduler
    yield "StepLR", lambda: s.StepLR(o(), 3, 0.5)
    yield "MultiStepLR", lambda: s.MultiStepLR(o(), [2, 5, 5, 9], 0.5)
    yield "ExponentialLR", lambda: s.ExponentialLR(o(), 0.9)
    yield "ConstantLR", lambda: s.ConstantLR(o(), 0.25, 4)
    yield "LinearLR", lambda: s.LinearLR(o(), 0.1, 0.8, 6)
    yield "PolynomialLR", lambda: s.PolynomialLR(o(), 8, 2.0)
    yield "CosineAnnealingLR", lambda: s.CosineAnnealingLR(o(), 7, 0.01)
    yield "LambdaLR", lambda: s.LambdaLR(o(), lambda e: 1 / (1 + e))
    yield "MultiplicativeLR", lambda: s.MultiplicativeLR(o(), lambda e: 1 - 0.05 * e)
    yield "CyclicLR.Triangular", lambda: s.CyclicLR(o(), 0.01, 0.1, 4, 2, cycle_momentum=False)
    yield "CyclicLR.Triangular2", lambda: s.CyclicLR(o(), 0.01, 0.1, 3, mode="triangular2", cycle_momentum=False)
    yield "CyclicLR.ExpRange", lambda: s.CyclicLR(o(), 0.01, 0.1, 3, mode="exp_range", gamma=0.9, cycle_momentum=False)
    yield "CyclicLR.momentum", lambda: s.CyclicLR(o(), 0.01, 0.1, 3)
    yield "OneCycleLR.Cos", lambda: s.OneCycleLR(o(), 0.5, total_steps=20)
    yield "OneCycleLR.Linear", lambda: s.OneCycleLR(o(), 0.5, epochs=4, steps_per_epoch=5, anneal_strategy="linear", three_phase=True)
    yield "SequentialLR", lambda: (lambda opt: s.SequentialLR(opt, [s.ConstantLR(opt, 0.1, 2), s.ExponentialLR(opt, 0.9)], [4]))(o())
    yield "WarmupCosine", lambda: (lambda opt: s.SequentialLR(opt, [s.LinearLR(opt, 0.01, 1.0, 5), s.CosineAnnealingLR(opt, 14)], [5]))(o())
    yield "ChainedLR", lambda: (lambda opt: s.ChainedScheduler([s.ConstantLR(opt, 0.1, 2), s.ExponentialLR(opt, 0.9)]))(o())


def record_schedulers():
    for name, make_scheduler in schedulers(lambda: torch.optim.SGD(start(), 0.2, momentum=0.7)):
        scheduler = make_scheduler()
        schedulers_of = getattr(scheduler, "_schedulers", None)
        optimizer = schedulers_of[0].optimizer if schedulers_of else scheduler.optimizer
        rates, momenta = [], []
        for _ in range(19):
            rates.append(optimizer.param_groups[0]["lr"])
            momenta.append(optimizer.param_groups[0]["momentum"])
            optimizer.step()
            scheduler.step()
        rates.append(optimizer.param_groups[0]["lr"])
        momenta.append(optimizer.param_groups[0]["momentum"])
        yield dict(scheduler=name, rates=rates, momenta=momenta)


def record_plateau():
    metrics = [1.0, 0.9, 0.9, 0.9, 0.9, 0.95, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.7]
    for options in [dict(factor=0.5, patience=2), dict(factor=0.5, patience=1, cooldown=2, threshold=0.05, threshold_mode="abs"),
                    dict(mode="max", factor=0.1, patience=3, min_lr=[0.001])]:
        optimizer = torch.optim.SGD(start(), 0.2)
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
        rates = []
        for metric in metrics:
            scheduler.step(metric)
            rates.append(optimizer.param_groups[0]["lr"])
        yield dict(options=options, metrics=metrics, rates=rates)


if __name__ == "__main__":
    reference = dict(torch=torch.__version__, optimizers=list(record_optimizers()), lbfgs=record_lbfgs(),
                     schedulers=list(record_schedulers()), plateau=list(record_plateau()))
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "reference.json"), "w") as f:
        rounded = lambda v: round(v, 11) if isinstance(v, float) else [rounded(x) for x in v] if isinstance(v, list) else v
        reference = {key: rounded(value) if key == "lbfgs" else [{k: rounded(v) if isinstance(v, list) else v for k, v in e.items()} for e in value]
                     if isinstance(value, list) else value for key, value in reference.items()}
        entries = lambda key: "[\n" + ",\n".join("  " + json.dumps(e) for e in reference[key]) + "\n ]"
        f.write("{\n" + ",\n".join(f' "{key}": ' + (json.dumps(reference[key]) if key == "torch" else entries(key)) for key in reference) + "\n}\n")
