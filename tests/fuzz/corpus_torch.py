#!/usr/bin/env python3
# Makes the corpus of the torch target with PyTorch: tests/fuzz/corpus/torch/*, or into the folder named.
import io
import pickle
import sys
import zipfile

import torch

out = sys.argv[1] if len(sys.argv) > 1 else "tests/fuzz/corpus/torch"
base = torch.arange(6, dtype=torch.float32)
tensors = {"a": base.reshape(2, 3), "b": base.reshape(2, 3).t(), "half": base.half(), "brain": base.bfloat16(),
           "n": torch.tensor(3), "p": torch.nn.Parameter(base[:2].clone())}
torch.save(tensors, out + "/tensors.pt")
torch.save({"epoch": 1, "state_dict": {"module." + k: v for k, v in tensors.items()}}, out + "/training.pt",
           pickle_protocol=4)
net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())
torch.save(net.state_dict(), out + "/state.pt")
script = io.BytesIO()
torch.jit.save(torch.jit.script(net), script)
names = zipfile.ZipFile(script)
for name, pkl in (("module.pkl", names), ("state.pkl", zipfile.ZipFile(out + "/state.pt"))):
    with open(out + "/" + name, "wb") as f:
        f.write(pkl.read(next(n for n in pkl.namelist() if n.endswith("/data.pkl"))))
with open(out + "/call.pkl", "wb") as f:
    f.write(pickle.dumps(print, 2))
