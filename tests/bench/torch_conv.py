#!/usr/bin/python3
"""The network of bench_train_conv.c in PyTorch: pictures a second, forward and backward.

usage: torch_conv.py [layout] [side] [batch] [threads] [steps]
"""
import sys
import time

import torch
from torch import nn

args = sys.argv[1:] + ["mini", "96", "64", "2", "6"][len(sys.argv) - 1:]
mini = args[0] == "mini"
width = 100 if mini else int(args[0])
side, batch, threads, steps = (int(v) for v in args[1:])
torch.set_num_threads(threads)
clock = time.process_time if threads == 1 else time.perf_counter
torch.manual_seed(1)


def channels(c):
    return max(8, (c * width + 399) // 800 * 8)


def conv(i, o, k, stride, groups=1, act=True):
    m = [nn.Conv2d(i, o, k, stride, (k - 1) // 2, groups=groups, bias=False), nn.BatchNorm2d(o)]
    return nn.Sequential(*m, nn.ReLU6(inplace=True)) if act else nn.Sequential(*m)


class Block(nn.Module):
    def __init__(self, i, o, expand, stride):
        super().__init__()
        e = i * expand
        self.body = nn.Sequential(*([conv(i, e, 1, 1)] if expand > 1 else []), conv(e, e, 3, stride, groups=e),
                                  conv(e, o, 1, 1, act=False))
        self.skip = stride == 1 and i == o

    def forward(self, x):
        return x + self.body(x) if self.skip else self.body(x)


layers = [conv(3, channels(32), 4, 4) if mini else conv(3, channels(32), 3, 2)]
i = channels(32)
MINI = [(4, 32, 2, 1), (5, 64, 3, 2), (6, 128, 4, 2), (6, 192, 2, 2)]
MOBILENET = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
for t, c, n, s in MINI if mini else MOBILENET:
    for r in range(n):
        layers.append(Block(i, channels(c), t, s if r == 0 else 1))
        i = channels(c)
net = nn.Sequential(*layers, conv(i, channels(1280), 1, 1), nn.AdaptiveAvgPool2d(1))

print("format\tmean_pictures_s\tbest_pictures_s")
for name in ("contiguous", "channels_last"):
    fmt = torch.channels_last if name == "channels_last" else torch.contiguous_format
    net = net.to(memory_format=fmt)
    x = (torch.rand(batch, 3, side, side) - 0.5).contiguous(memory_format=fmt)
    times = []
    for s in range(steps + 1):
        t = clock()
        net.zero_grad(set_to_none=True)
        net(x).square().mean().backward()
        times.append(clock() - t)
    times = times[1:]
    print(f"{name}\t{batch * len(times) / sum(times):.1f}\t{batch / min(times):.1f}", flush=True)
