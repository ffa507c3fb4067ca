#!/usr/bin/env python3
"""Writes layer_reference.json: what PyTorch computes, in float64, for small networks.

tests/ops/kernels/reference_test.cpp builds the same networks and compares outputs, losses,
gradients and running statistics. Parameters and inputs are a hash of their name and index, so only
results are stored; of large gradients a sample and the Euclidean norm.

    /usr/bin/python3 make_layer_reference.py
"""
import json
import pathlib

import numpy
import torch
from torch import nn

SAMPLE = 120


def values(name, count):
    """Uniform in [-1, 1), as tests/ops/kernels/reference.hpp has it."""
    seed = 0
    for c in name.encode():
        seed = (seed * 31 + c) & 0xFFFFFFFF
    mask = numpy.uint64(0xFFFFFFFF)
    x = (numpy.arange(count, dtype=numpy.uint64) + numpy.uint64(seed)) & mask
    x = (x * numpy.uint64(2654435761)) & mask
    x ^= x >> numpy.uint64(15)
    x = (x * numpy.uint64(2246822519)) & mask
    x ^= x >> numpy.uint64(13)
    return ((x >> numpy.uint64(8)).astype(numpy.float64) / 2**24 * 2 - 1).astype(numpy.float32)


class Residual(nn.Module):
    def __init__(self, body, shortcut, relu_after):
        super().__init__()
        self.body = nn.Sequential(*body)
        self.shortcut = nn.Sequential(*shortcut)
        self.relu_after = relu_after

    def forward(self, x):
        y = self.body(x) + self.shortcut(x)
        return torch.relu(y) if self.relu_after else y


def conv(i, o, k, s=1, p=0, g=1, bias=True):
    return nn.Conv2d(i, o, k, s, p, groups=g, bias=bias)


def networks():
    yield "convolutions", (3, 9, 9), 4, [
        conv(3, 8, 3, 1, 1), nn.ReLU(), conv(8, 8, 3, 2, 1, 2, False), nn.LeakyReLU(0.1),
        conv(8, 6, 2, 1, 0), nn.Flatten(), nn.Linear(6 * 16, 5)]
    yield "pools", (4, 11, 11), 3, [
        conv(4, 6, 3, 1, 1), nn.MaxPool2d(3, 2, 1), conv(6, 16, 3, 1, 1), nn.Tanh(),
        nn.AvgPool2d(2, 2, 1), conv(16, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(5, 4)]
    yield "batch_norms", (3, 8, 8), 6, [
        conv(3, 16, 3, 1, 1, 1, False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        conv(16, 5, 3, 1, 1), nn.BatchNorm2d(5), nn.Flatten(), nn.Linear(80, 7), nn.BatchNorm1d(7),
        nn.Sigmoid(), nn.Linear(7, 3)]
    yield "residuals", (3, 8, 8), 5, [
        conv(3, 16, 3, 1, 1, 1, False), nn.BatchNorm2d(16), nn.ReLU(),
        Residual([conv(16, 16, 3, 1, 1, 1, False), nn.BatchNorm2d(16), nn.ReLU(),
                  conv(16, 16, 3, 1, 1, 1, False), nn.BatchNorm2d(16)], [], True),
        Residual([conv(16, 32, 3, 2, 1, 1, False), nn.BatchNorm2d(32), nn.ReLU(),
                  conv(32, 32, 3, 1, 1, 1, False), nn.BatchNorm2d(32)],
                 [conv(16, 32, 1, 2, 0, 1, False), nn.BatchNorm2d(32)], True),
        Residual([conv(32, 32, 3, 1, 1)], [], False),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 4)]
    yield "nested", (3, 6, 7), 4, [
        conv(3, 16, 3, 1, 1),
        Residual([conv(16, 16, 1),
                  Residual([conv(16, 16, 3, 1, 1), nn.BatchNorm2d(16)], [], False)],
                 [conv(16, 16, 1)], False),
        nn.ReLU(), nn.Flatten(), nn.Linear(16 * 42, 3)]
    yield "activations", (10,), 7, [
        nn.Linear(10, 12), nn.Tanh(), nn.Linear(12, 9), nn.Sigmoid(), nn.Linear(9, 8),
        nn.LeakyReLU(0.2), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3, bias=False)]
    yield "small_vgg", (1, 13, 13), 4, [
        conv(1, 16, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(2), conv(16, 32, 3, 1, 1), nn.ReLU(),
        conv(32, 32, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * 9, 6)]
    yield "small_lenet", (1, 15, 15), 4, [
        conv(1, 16, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(2), conv(16, 48, 5, 1, 2), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(48 * 9, 24), nn.ReLU(), nn.Linear(24, 5)]
    yield "small_cnn", (1, 15, 14), 6, [
        conv(1, 16, 3, 1, 1, 1, False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        conv(16, 48, 3, 1, 1, 1, False), nn.BatchNorm2d(48), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.BatchNorm1d(48 * 9), nn.Linear(48 * 9, 5)]


def start(module, prefix):
    for name, tensor in module.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        v = values(prefix + name, tensor.numel()).reshape(tensor.shape).astype(numpy.float64)
        if tensor.dim() > 1:
            v *= 1.5 / (tensor[0].numel() ** 0.5)
        elif name.endswith("running_var"):
            v = 1 + 0.5 * v
        elif name.endswith("weight"):
            v = 1 + 0.3 * v
        else:
            v *= 0.3
        tensor.copy_(torch.from_numpy(v.astype(numpy.float32).astype(numpy.float64)))


def stored(tensor):
    flat = tensor.detach().reshape(-1)
    step = max(1, flat.numel() // SAMPLE)
    return {"size": flat.numel(), "step": step, "norm": float(f"{flat.norm().item():.8g}"),
            "values": [float(f"{v:.7g}") for v in flat[::step].tolist()]}


def main():
    torch.set_num_threads(1)
    result = {}
    for name, dims, count, layers in networks():
        net = nn.Sequential(*layers).double()
        start(net, name + ".")
        x = torch.from_numpy(values(name + ".input", count * int(numpy.prod(dims)))).double()
        x = x.reshape(count, *dims)
        net.eval()
        evaluated = net(x)
        net.train()
        before = {k: v.clone() for k, v in net.state_dict().items()}
        y = net(x)
        labels = torch.arange(count) % y.shape[1]
        loss = nn.functional.cross_entropy(y, labels)
        loss.backward()
        gradients = {k: stored(p.grad) for k, p in net.named_parameters()}
        for k, v in net.state_dict().items():
            if "running" in k:
                gradients[k] = stored((v - 0.9 * before[k]) / 0.1)
        result[name] = {"loss": loss.item(), "output": stored(y), "evaluated": stored(evaluated),
                        "gradients": gradients}
    path = pathlib.Path(__file__).with_name("layer_reference.json")
    path.write_text(json.dumps(result, separators=(",", ":")).replace("},", "},\n") + "\n")


main()
