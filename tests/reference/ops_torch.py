# Recomputes the cases of ref_ops.c with PyTorch and compares outputs and gradients; TAP on stdout.
#
#	ops_torch.py OUT.safetensors
#
# Both sides compute in f32 here, so a difference of a few rounding errors a term is expected: each array may differ by
# 5e-6 of its largest entry; 5e-7 was seen.
import json
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

TOL = 5e-6


def read(path):
    with open(path, "rb") as f:
        raw = f.read()
    n = struct.unpack("<Q", raw[:8])[0]
    cases = {}
    for name, t in json.loads(raw[8 : 8 + n]).items():
        if name == "__metadata__":
            continue
        begin, end = t["data_offsets"]
        kind = {"F32": "<f4", "U32": "<u4"}[t["dtype"]]
        x = np.frombuffer(raw[8 + n + begin : 8 + n + end], kind).reshape(t["shape"])
        case, tensor = name.split("/")
        cases.setdefault(case, {})[tensor] = torch.from_numpy(x.astype("i8" if kind == "<u4" else "f4"))
    return cases


def nchw(x):
    return x.permute(0, 3, 1, 2)


def conv(c, stride, pad, depthwise=False):  # pad: left, right, top, bottom
    w = c["w"].permute(2, 0, 1).unsqueeze(1) if depthwise else c["w"].permute(0, 3, 1, 2)
    x = F.pad(nchw(c["x"]), pad)
    return F.conv2d(x, w, c.get("b"), stride, groups=x.shape[1] if depthwise else 1).permute(0, 2, 3, 1)


def shapes(c):
    x = c["x"].reshape(24, 10, 3)
    return torch.cat([x, c["y"].transpose(0, 2), x], 1)[:, 5:25]


def cross_entropy(c):
    target = torch.where(c["target"] == 2**32 - 1, torch.tensor(-100), c["target"])
    return F.cross_entropy(4 * c["x"], target, label_smoothing=0.1).reshape(1)


def batch_norm(c, training):
    mean, var = 0.1 * torch.arange(19.0), 1 + 0.1 * torch.arange(19.0)
    y = F.batch_norm(nchw(c["x"]), mean, var, c["gamma"], c["beta"], training, 0.1, 1e-3)
    compare("running mean", c["mean"], mean)
    compare("running variance", c["var"], var)
    return y.permute(0, 2, 3, 1)


def activations(c):
    x = 3 * c["x"]
    return torch.cat([F.relu(x), F.relu6(x), F.gelu(x), F.gelu(x, approximate="tanh"), x * torch.sigmoid(1.702 * x),
                      F.silu(x), F.hardswish(x), torch.sigmoid(x), torch.tanh(x)])


def attention(c, causal=False, lens=None):
    n, t, d = c["q"].shape
    q, k, v = (c[i].reshape(n, t, 4, d // 4).transpose(1, 2) for i in "qkv")
    s = q @ k.transpose(2, 3) / (d // 4) ** 0.5
    key = torch.arange(t)
    if causal:
        s = s.masked_fill(key[None, :] > key[:, None], -torch.inf)
    if lens is not None:
        s = s.masked_fill((key[None, :] >= torch.tensor(lens)[:, None])[:, None, None, :], -torch.inf)
    return (s.softmax(-1) @ v).transpose(1, 2).reshape(n, t, d)


def segment_mean(c):
    offset = [0, 3, 3, 20, 21, 40]
    runs = [c["x"][a:b] for a, b in zip(offset, offset[1:])]
    return torch.stack([r.mean(0) if len(r) else torch.zeros(33) for r in runs])


CASES = {
    "add": lambda c: c["a"] + c["b"],
    "mul": lambda c: c["a"] * c["b"],
    "mul_one": lambda c: c["a"] * c["b"],
    "scale_exp": lambda c: torch.exp(-1.5 * c["a"]),
    "l2_norm": lambda c: F.normalize(c["x"], dim=-1),
    "shapes": shapes,
    "gather_rows": lambda c: c["x"][c["row"]],
    "sum": lambda c: c["x"].sum().reshape(1),
    "mean": lambda c: c["x"].mean().reshape(1),
    "cross_entropy": cross_entropy,
    "kl_div": lambda c: F.kl_div((c["x"]).log_softmax(-1), c["p"], reduction="batchmean").reshape(1),
    "sigmoid_loss": lambda c: -(F.logsigmoid(10 * c["x"] * c["sign"]) * c["sign"].abs()).sum().reshape(1) / 64,
    "mse": lambda c: F.mse_loss(c["a"], c["b"]).reshape(1),
    "cosine_loss": lambda c: (1 - F.cosine_similarity(c["a"], c["b"])).mean().reshape(1),
    "linear": lambda c: F.linear(c["x"], c["w"], c["b"]),
    "matmul": lambda c: c["a"].transpose(1, 2) @ c["b"].transpose(1, 2),
    "matmul_shared": lambda c: c["a"] @ c["b"],
    "conv2d": lambda c: conv(c, 2, (1, 1, 0, 2)),
    "conv2d_point": lambda c: conv(c, 1, (0, 0, 0, 0)),
    "depthwise": lambda c: conv(c, 2, (0, 1, 0, 1), True),
    "depthwise5": lambda c: conv(c, 1, (2, 2, 2, 2), True),
    "batch_norm": lambda c: batch_norm(c, True),
    "batch_norm_fixed": lambda c: batch_norm(c, False),
    "layer_norm": lambda c: F.layer_norm(c["x"], (65,), c["gamma"], c["beta"], 1e-5),
    "activations": activations,
    "softmax": lambda c: (5 * c["x"]).softmax(-1),
    "attention": attention,
    "attention_causal": lambda c: attention(c, causal=True),
    "attention_lens": lambda c: attention(c, lens=[37, 5, 1]),
    "embedding": lambda c: F.embedding(c["id"], c["x"]),
    "mean_pool": lambda c: c["x"].mean((1, 2)),
    "segment_mean": segment_mean,
}

OPTIM = {
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.02, weight_decay=0.1),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, weight_decay=0.1),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, weight_decay=0.1, nesterov=True),
}

count = failed = 0
current = ""


def compare(what, got, want):
    global count, failed
    count += 1
    want = want.detach()
    same = got.shape == want.shape
    off = float((got - want).abs().max() / want.abs().max().clamp(min=1e-3)) if same else float("nan")
    good = same and off <= TOL
    failed += not good
    print(f"{'' if good else 'not '}ok {count} - {current}: {what} (off by {off:.1e})")


def operator(c):
    for name in c:
        if name + ".grad" in c:
            c[name].requires_grad_()
    out = CASES[current](c)
    compare("values", c["out"], out)
    (out * c["r"]).sum().backward()
    for name in list(c):
        if name.endswith(".grad"):
            compare("gradient of " + name[:-5], c[name], c[name[:-5]].grad)


def optimiser(c):
    w, b = (torch.nn.Parameter(c[i].clone()) for i in ("w0", "b0"))
    opt = OPTIM[current]([{"params": [w]}, {"params": [b], "weight_decay": 0, "lr": 0.01}])
    for s in range(6):
        w.grad, b.grad = c[f"wg{s}"].clone(), c[f"bg{s}"].clone()
        torch.nn.utils.clip_grad_norm_([w, b], 8)
        opt.step()
    compare("weights", c["w"], w)
    compare("weights without decay", c["b"], b)


cases = read(sys.argv[1])
for current in list(CASES) + list(OPTIM):
    if current not in cases:
        count += 1
        failed += 1
        print(f"not ok {count} - {current}: missing")
    else:
        (operator if current in CASES else optimiser)(cases[current])
print(f"1..{count}")
sys.exit(failed != 0)
