"""Towers of CLIP, SigLIP and DINOv2 in PyTorch, written from the papers and the layouts of their files, for comparison
with vla's: on the weights of a directory, on pictures that need no resize and on texts whose ids are their bytes.

    towers_torch.py DIR WHAT STREAM.npy INPUT     WHAT: image or text; TAP on stdout
"""
import json
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

TOL = 1e-4  # of the largest number, as the stored results of upstream's code are compared


def weights(path):
    with open(path, "rb") as f:
        n = struct.unpack("<Q", f.read(8))[0]
        head = json.loads(f.read(n))
    raw = np.memmap(path, "u1", "r", 8 + n)
    out = {}
    for name, t in head.items():
        if name != "__metadata__":
            a, b = t["data_offsets"]
            out[name] = torch.from_numpy(raw[a:b].view("<f4").reshape(t["shape"]).copy())
    return out


def quick_gelu(x):
    return x * torch.sigmoid(1.702 * x)


def tanh_gelu(x):
    return F.gelu(x, approximate="tanh")


class Names:
    """The parts of a layer: prefix, names of the parts, activation."""

    def __init__(self, w, prefix, parts, act, eps, heads):
        self.w, self.prefix, self.act, self.eps, self.heads = w, prefix, act, eps, heads
        self.norm1, self.q, self.k, self.v, self.out, self.norm2, self.fc1, self.fc2 = parts
        self.scales = None

    def linear(self, i, part, x):
        p = f"{self.prefix}{i}.{part}."
        return F.linear(x, self.w[p + "weight"], self.w[p + "bias"])

    def norm(self, i, part, x):
        p = f"{self.prefix}{i}.{part}."
        return F.layer_norm(x, x.shape[-1:], self.w[p + "weight"], self.w[p + "bias"], self.eps)


HF = ["layer_norm1"] + ["self_attn." + s + "_proj" for s in ("q", "k", "v", "out")] + ["layer_norm2", "mlp.fc1", "mlp.fc2"]
DINO = ["norm1"] + ["attention.attention." + s for s in ("query", "key", "value")] + ["attention.output.dense", "norm2",
                                                                                      "mlp.fc1", "mlp.fc2"]


def attend(q, k, v, heads, mask=None):
    n, t, d = q.shape
    split = lambda x: x.reshape(n, -1, heads, d // heads).transpose(1, 2)
    q, k, v = split(q), split(k), split(v)
    s = q @ k.transpose(2, 3) * (d // heads) ** -0.5
    if mask is not None:
        s = s + mask
    return (s.softmax(-1) @ v).transpose(1, 2).reshape(n, t, d)


def layers(m, count, x, mask=None):
    for i in range(count):
        y = m.norm(i, m.norm1, x)
        y = attend(m.linear(i, m.q, y), m.linear(i, m.k, y), m.linear(i, m.v, y), m.heads, mask)
        y = m.linear(i, m.out, y)
        x = x + (y * m.w[f"{m.prefix}{i}.{m.scales[0]}"] if m.scales else y)
        y = m.linear(i, m.fc2, m.act(m.linear(i, m.fc1, m.norm(i, m.norm2, x))))
        x = x + (y * m.w[f"{m.prefix}{i}.{m.scales[1]}"] if m.scales else y)
    return x


def norm(w, name, x, eps):
    return F.layer_norm(x, x.shape[-1:], w[name + ".weight"], w[name + ".bias"], eps)


def patches(x, w, b, p):
    return F.conv2d(x, w, b, stride=p).flatten(2).transpose(1, 2)


def clip_image(w, c, x):
    v = c["vision_config"]
    e = "vision_model.embeddings."
    x = patches(x, w[e + "patch_embedding.weight"], None, v["patch_size"])
    x = torch.cat([w[e + "class_embedding"].expand(len(x), 1, -1), x], 1) + w[e + "position_embedding.weight"]
    x = norm(w, "vision_model.pre_layrnorm", x, 1e-5)
    m = Names(w, "vision_model.encoder.layers.", HF, quick_gelu, 1e-5, v["num_attention_heads"])
    x = norm(w, "vision_model.post_layernorm", layers(m, v["num_hidden_layers"], x)[:, 0], 1e-5)
    return x @ w["visual_projection.weight"].T


def clip_text(w, c, ids):
    t = c["text_config"]
    e = "text_model.embeddings."
    m = Names(w, "text_model.encoder.layers.", HF, quick_gelu, 1e-5, t["num_attention_heads"])
    rows = []
    for one in ids:
        x = (w[e + "token_embedding.weight"][one] + w[e + "position_embedding.weight"][: len(one)])[None]
        mask = torch.full((len(one), len(one)), -torch.inf).triu(1)
        x = norm(w, "text_model.final_layer_norm", layers(m, t["num_hidden_layers"], x, mask), 1e-5)
        rows.append(x[0, torch.tensor(one).argmax()])
    return torch.stack(rows) @ w["text_projection.weight"].T


def siglip_image(w, c, x):
    v = c["vision_config"]
    e = "vision_model.embeddings.patch_embedding."
    x = patches(x, w[e + "weight"], w[e + "bias"], v["patch_size"])
    x = x + w["vision_model.embeddings.position_embedding.weight"]
    m = Names(w, "vision_model.encoder.layers.", HF, tanh_gelu, 1e-6, v["num_attention_heads"])
    x = norm(w, "vision_model.post_layernorm", layers(m, v["num_hidden_layers"], x), 1e-6)
    h = "vision_model.head."
    q, k, v_ = (F.linear(y, a, b) for y, a, b in zip((w[h + "probe"].expand(len(x), -1, -1), x, x),
                                                    w[h + "attention.in_proj_weight"].chunk(3),
                                                    w[h + "attention.in_proj_bias"].chunk(3)))
    lin = lambda name, y: F.linear(y, w[h + name + ".weight"], w[h + name + ".bias"])
    x = lin("attention.out_proj", attend(q, k, v_, v["num_attention_heads"]))
    return (x + lin("mlp.fc2", tanh_gelu(lin("mlp.fc1", norm(w, h + "layernorm", x, 1e-6)))))[:, 0]


def siglip_text(w, c, ids):
    t = c["text_config"]
    e = "text_model.embeddings."
    m = Names(w, "text_model.encoder.layers.", HF, tanh_gelu, 1e-6, t["num_attention_heads"])
    ids = torch.tensor([one + [1] * (64 - len(one)) for one in ids])
    x = layers(m, t["num_hidden_layers"], w[e + "token_embedding.weight"][ids] + w[e + "position_embedding.weight"])
    x = norm(w, "text_model.final_layer_norm", x, 1e-6)[:, -1]
    return F.linear(x, w["text_model.head.weight"], w["text_model.head.bias"])


def dinov2_image(w, c, x):
    p = "dinov2." if "dinov2.layernorm.weight" in w else ""
    e = p + "embeddings."
    x = patches(x, w[e + "patch_embeddings.projection.weight"], w[e + "patch_embeddings.projection.bias"], c["patch_size"])
    pos, side = w[e + "position_embeddings"], c["image_size"] // c["patch_size"]
    now = int(x.shape[1] ** 0.5)
    grid = pos[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=(now, now), mode="bicubic", align_corners=False).flatten(2).transpose(1, 2)
    x = torch.cat([w[e + "cls_token"].expand(len(x), -1, -1), x], 1) + torch.cat([pos[:, :1], grid], 1)
    m = Names(w, p + "encoder.layer.", DINO, F.gelu, 1e-6, c["num_attention_heads"])
    m.scales = ("layer_scale1.lambda1", "layer_scale2.lambda1")
    return norm(w, p + "layernorm", layers(m, c["num_hidden_layers"], x), 1e-6)[:, 0]


TOWERS = {"clip": (clip_image, clip_text), "siglip": (siglip_image, siglip_text), "dinov2": (dinov2_image, None)}


def read_ppm(path):
    with open(path, "rb") as f:
        kind, w, h, most = f.readline().split() + f.readline().split() + f.readline().split()
        assert kind == b"P6" and most == b"255"
        return np.frombuffer(f.read(), "u1").reshape(int(h), int(w), 3)


def main():
    path, what, got, source = sys.argv[1:]
    torch.set_num_threads(2)
    c = json.load(open(path + "/config.json"))
    w = weights(path + "/model.safetensors")
    tower = TOWERS[c["model_type"]][what == "text"]
    with torch.no_grad():
        if what == "image":
            prep = json.load(open(path + "/preprocessor_config.json"))
            x = torch.from_numpy(read_ppm(source).astype("f4"))[None] / 255
            x = ((x - torch.tensor(prep["image_mean"])) / torch.tensor(prep["image_std"])).permute(0, 3, 1, 2)
            y = tower(w, c, x.float())
        else:
            y = tower(w, c, [list(line.rstrip("\n").encode()) for line in open(source)])
        y = F.normalize(y, dim=-1)
    off = float((torch.from_numpy(np.load(got).astype("f4")) - y).abs().max() / y.abs().max())
    print(f"{'ok' if off <= TOL else 'not ok'} {c['model_type']} {what} (off by {off:.2g})")
    return off > TOL


if __name__ == "__main__":
    sys.exit(main())
