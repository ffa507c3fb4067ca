#!/usr/bin/env python3
"""Writes core_reference.json: what PyTorch computes, in float64, outside of networks.

Losses with their gradients, optimizers, schedules:
tests/ops/loss_test.cpp, optimizer_test.cpp and learning_rate_test.cpp compare with it. Float32
numbers go in, so that both sides start from the same values.

    /usr/bin/python3 make_core_reference.py
"""
import json
import pathlib

import torch
from torch import nn

torch.set_num_threads(1)
torch.manual_seed(1)
STEPS = 5


def numbers(t):
    return [float(f"{value:.10g}") for value in t.detach().double().flatten().tolist()]


def inputs(*sizes, scale=1.0):
    """float32 values, in float64."""
    return (torch.randn(*sizes) * scale).float().double()


def loss_case(name, loss, logits, targets, **options):
    logits = logits.clone().requires_grad_()
    value = loss(logits, targets)
    value.backward()
    return {
        "name": name,
        "n": logits.shape[0],
        "logits": [float(v) for v in logits.flatten().tolist()],
        "targets": [float(v) for v in targets.flatten().tolist()],
        "value": value.item(),
        "gradient": numbers(logits.grad),
        **options,
    }


def losses():
    logits = inputs(6, 4, scale=3.0)
    labels = torch.tensor([0, 3, 1, 1, 2, 3])
    weights = torch.tensor([0.5, 2.0, 1.0, 0.25], dtype=torch.float64)
    out = []
    for weighted in (False, True):
        for smoothing in (0.0, 0.125):
            weight = weights if weighted else None
            loss = nn.CrossEntropyLoss(weight=weight, label_smoothing=smoothing)
            out.append(
                loss_case(
                    "cross_entropy",
                    loss,
                    logits,
                    labels,
                    weights=weights.tolist() if weighted else [],
                    smoothing=smoothing,
                )
            )
    large = logits.clone()
    large[0] *= 100
    plain = nn.CrossEntropyLoss()
    out.append(loss_case("cross_entropy", plain, large, labels, weights=[], smoothing=0.0))
    out.append(loss_case("mse", nn.MSELoss(), inputs(5, 3), inputs(5, 3)))
    truth = torch.rand(5, 3).float().double()
    scores = inputs(5, 3, scale=4.0)
    scores[0, 0], scores[0, 1] = 200.0, -200.0
    out.append(loss_case("bce_logits", nn.BCEWithLogitsLoss(), scores, truth))
    return out


def optimizer_case(name, rule, options, rate):
    torch.manual_seed(2)
    parameter = nn.Parameter(inputs(7))
    start = parameter.detach().clone()
    gradients = [inputs(7) for _ in range(STEPS)]
    optimizer = rule([parameter], lr=rate, **options)
    after = []
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
        after.append(numbers(parameter))
    return {
        "name": name,
        "rate": rate,
        "options": options,
        "start": start.tolist(),
        "gradients": [g.tolist() for g in gradients],
        "after": after,
    }


def optimizers():
    optim = torch.optim
    decay = {"weight_decay": 0.125}
    return [
        optimizer_case("sgd", optim.SGD, {}, 0.1),
        optimizer_case("sgd", optim.SGD, decay, 0.1),
        optimizer_case("sgd", optim.SGD, {"momentum": 0.9}, 0.1),
        optimizer_case("sgd", optim.SGD, {"momentum": 0.9, **decay}, 0.1),
        optimizer_case("sgd", optim.SGD, {"momentum": 0.9, "nesterov": True, **decay}, 0.1),
        optimizer_case("adam", optim.Adam, {}, 0.01),
        optimizer_case("adam", optim.Adam, {"betas": (0.8, 0.95), "eps": 1e-3, **decay}, 0.01),
        optimizer_case("adamw", optim.AdamW, {}, 0.01),
        optimizer_case("adamw", optim.AdamW, {"betas": (0.8, 0.95), "eps": 1e-3, **decay}, 0.01),
    ]


def rates(make, base, steps):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=base)
    schedule = make(optimizer)
    out = []
    for _ in range(steps):
        out.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return out


def schedules():
    s = torch.optim.lr_scheduler
    return {
        "cosine": rates(lambda o: s.CosineAnnealingLR(o, 20), 0.05, 20),
        "cosine_to_a_tenth": rates(lambda o: s.CosineAnnealingLR(o, 20, eta_min=0.005), 0.05, 20),
        "multi_step": rates(lambda o: s.MultiStepLR(o, [4, 9, 15], gamma=0.5), 0.05, 20),
    }


content = {"losses": losses(), "optimizers": optimizers(), "schedules": schedules()}
path = pathlib.Path(__file__).with_name("core_reference.json")
path.write_text(json.dumps(content, separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n")
