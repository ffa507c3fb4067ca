#!/usr/bin/env python3
"""Writes state_dict_names.json: names and sizes of the state_dicts of the preset models in PyTorch.

Batch norm's num_batches_tracked is left out: the tests ask for parameters and statistics.

    /usr/bin/python3 make_state_dict_names.py
"""
import json
import pathlib

from torch import nn
from torch.nn import functional


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.c1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.b1 = nn.BatchNorm2d(outputs)
        self.c2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.b2 = nn.BatchNorm2d(outputs)
        self.sc = nn.Sequential()
        if inputs != outputs or stride != 1:
            projection = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.sc = nn.Sequential(projection, nn.BatchNorm2d(outputs))

    def forward(self, x):
        h = functional.relu(self.b1(self.c1(x)))
        return functional.relu(self.b2(self.c2(h)) + self.sc(x))


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(3136, 512),
        nn.ReLU(),
        nn.Linear(512, 10),
    )


def cnn():
    layers, inputs = [], 1
    for outputs in (32, 64, 128):
        layers.append(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False))
        layers += [nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]
        inputs = outputs
    layers += [nn.Flatten(), nn.Linear(1152, 128), nn.ReLU(), nn.Linear(128, 10)]
    return nn.Sequential(*layers)


def resnet20():
    layers = [nn.Conv2d(1, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    inputs = 16
    for outputs, stride in ((16, 1), (32, 2), (64, 2)):
        for i in range(3):
            layers.append(Block(inputs, outputs, stride if i == 0 else 1))
            inputs = outputs
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
    return nn.Sequential(*layers)


def mlp():
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 256),
        nn.ReLU(),
        nn.Linear(256, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )


def names(network):
    return [
        [name, list(value.shape)]
        for name, value in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    ]


content = {make.__name__: names(make()) for make in (lenet, cnn, resnet20, mlp)}
path = pathlib.Path(__file__).with_name("state_dict_names.json")
path.write_text(json.dumps(content, separators=(",", ":")).replace('],["', '],\n["') + "\n")
