#!/usr/bin/python3
"""The towers of bench_tower.c in PyTorch, f32: milliseconds a picture or a text.

usage: torch_tower.py [name] [batch] [threads] [runs]
"""
import os
import sys
import time

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "reference"))
import towers_torch as t

name = sys.argv[1] if len(sys.argv) > 1 else "b32"
batch, threads, runs = (int(v) for v in (sys.argv[2:] + ["8", "1", "3"][max(len(sys.argv) - 2, 0):]))
torch.set_num_threads(threads)
clock = time.process_time if threads == 1 else time.perf_counter
patch, d, layers, heads = {"b32": (32, 768, 12, 12), "b16": (16, 768, 12, 12), "l14": (14, 1024, 24, 16),
                           "b32-text": (0, 512, 12, 8), "l14-text": (0, 768, 12, 12)}[name]
w = {}
for tower in ("vision_model.encoder.layers.", "text_model.encoder.layers."):
    for i in range(layers):
        for part in t.HF:
            p = f"{tower}{i}.{part}."
            out, into = {"mlp.fc1": (4 * d, d), "mlp.fc2": (d, 4 * d)}.get(part, (d, d))
            w[p + "weight"] = torch.ones(d) if "norm" in part else torch.randn(out, into) * d**-0.5
            w[p + "bias"] = torch.zeros(out)
for n in ("vision_model.pre_layrnorm", "vision_model.post_layernorm", "text_model.final_layer_norm"):
    w[n + ".weight"], w[n + ".bias"] = torch.ones(d), torch.zeros(d)
heads_and_layers = {"num_attention_heads": heads, "num_hidden_layers": layers}
with torch.no_grad():
    if patch:
        e = "vision_model.embeddings."
        w[e + "patch_embedding.weight"] = torch.randn(d, 3, patch, patch) * 0.02
        w[e + "class_embedding"] = torch.randn(d)
        w[e + "position_embedding.weight"] = torch.randn(1 + (224 // patch) ** 2, d)
        w["visual_projection.weight"] = torch.randn(512, d)
        x = torch.rand(batch, 3, 224, 224)
        c = {"vision_config": {"patch_size": patch, **heads_and_layers}}
        run = lambda: t.clip_image(w, c, x)
    else:
        mask = torch.full((77, 77), -torch.inf).triu(1)
        m = t.Names(w, "text_model.encoder.layers.", t.HF, t.quick_gelu, 1e-5, heads)
        table, x = torch.randn(49408, d), torch.randint(49408, (batch, 77))
        run = lambda: t.norm(w, "text_model.final_layer_norm", t.layers(m, layers, table[x], mask), 1e-5)
    run()
    print("tower\tbatch\tthreads\tms_each")
    for _ in range(runs):
        begin = clock()
        run()
        print(f"{name}\t{batch}\t{threads}\t{(clock() - begin) * 1e3 / batch:.2f}", flush=True)
