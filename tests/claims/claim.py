"""What the claims share: arms over seeds with results kept on disk, checks with intervals, one verdict.

A claim is a script tests/claims/NN-name that makes a Claim, runs its arms, states its checks and ends with finish():

    c = Claim(40, "visual tokens are spread more evenly than words", minutes=5)
    for seed in range(3):
        r = c.arm("photos", seed, lambda: {"entropy": 0.9})    # or what the last run left
    c.require("there is an effect to explain", r["entropy"] > 0.5)
    c.at_least("photos over captions", [0.2, 0.25, 0.22], 0.1)  # one number a seed: mean with a 95 % t interval
    c.holds("order helps", gain > 0, f"{gain:.3f}")
    c.finish()

Rows are TSV: what, seed, measure, value, low, high. The last line is the verdict: `shown` (exit 0), `not shown` (1: a check
failed clearly), `not resolved` (2: a pre-condition failed, an interval straddles its threshold, or the time was up). Results
lie under $B/claims/NN by arm, seed and the text of the script, so an interrupted run goes on where it stopped. Exit 77: the
data or a program is missing.
"""
import hashlib
import json
import math
import os
import subprocess
import sys
import time

BUILD = os.path.abspath(os.environ.get("B", "build"))
SHARED = os.path.abspath(os.environ.get("VLA_SHARED", "../shared"))
# Student's t, 97.5 %, by degrees of freedom.
T975 = [0, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228]


def skip(why):
    print(f"SKIP: {why}")
    sys.exit(77)


def tool(name, *args, **kw):
    """Runs a tool of the build; its standard output. A tool that fails ends the claim."""
    p = subprocess.run([os.path.join(BUILD, "bin", name), *map(str, args)], capture_output=True, **kw)
    if p.returncode != 0:
        sys.exit(f"{p.stderr.decode()}{name} {' '.join(map(str, args))}: exit status {p.returncode}")
    return p.stdout.decode()


def probe(task, *args):
    """Rows of vla-probe as {(group, measure): (value, low, high)}."""
    out = {}
    for line in tool("vla-probe", task, *args).splitlines()[1:]:
        group, measure, value, low, high, _ = line.split("\t")
        out[group, measure] = tuple(float(x) if x else math.nan for x in (value, low, high))
    return out


def shared(path):
    full = os.path.join(SHARED, path)
    if not os.path.exists(full):
        skip(f"no {path} in {SHARED}")
    return full


class Claim:
    def __init__(self, number, title, minutes):
        self.start = time.time()
        self.seconds = 60 * minutes
        self.failed, self.open = [], []
        self.dir = os.path.join(BUILD, "claims", f"{number:02d}")
        with open(sys.argv[0], "rb") as f:
            self.key = hashlib.sha256(f.read()).hexdigest()[:12]
        os.makedirs(self.dir, exist_ok=True)
        print(f"# claim {number}: {title}")
        print("what\tseed\tmeasure\tvalue\tlow\thigh", flush=True)

    def path(self, name):
        """A file that stays with the claim."""
        return os.path.join(self.dir, f"{self.key}-{name}")

    def row(self, what, seed, measure, value, low=math.nan, high=math.nan):
        show = lambda x: "" if isinstance(x, float) and math.isnan(x) else f"{x:.5g}" if isinstance(x, float) else str(x)
        print("\t".join([what, str(seed), measure, show(value), show(low), show(high)]), flush=True)

    def arm(self, name, seed, run):
        """The measures of an arm, from disk when an earlier run of this script left them."""
        path = self.path(f"{name}-{seed}.json")
        if os.path.exists(path):
            with open(path) as f:
                out = json.load(f)
        else:
            if time.time() - self.start > self.seconds:
                self.open.append(f"the time was up before {name}, seed {seed}")
                self.finish()
            out = run()
            with open(path + ".part", "w") as f:
                json.dump(out, f)
            os.rename(path + ".part", path)
        for measure, value in out.items():
            self.row(name, seed, measure, value)
        return out

    def require(self, name, good, detail=""):
        """A pre-condition: without it nothing can be shown either way."""
        self.row("require", "", name, f"{'yes' if good else 'no'} {detail}".strip())
        if not good:
            self.open.append(name)

    def holds(self, name, good, detail=""):
        self.row("check", "", name, f"{'yes' if good else 'no'} {detail}".strip())
        if not good:
            self.failed.append(name)

    def at_least(self, name, values, threshold):
        """The mean of one number a seed against a threshold, with a t interval over seeds."""
        n, mean = len(values), sum(values) / len(values)
        sd = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1)) if n > 1 else math.inf
        half = T975[min(n - 1, 10)] * sd / math.sqrt(n) if n > 1 else math.inf
        self.row("check", f"n={n}", f"{name} >= {threshold:g}", mean, mean - half, mean + half)
        if mean + half < threshold:
            self.failed.append(name)
        elif mean - half < threshold:
            self.open.append(name)

    def at_most(self, name, values, threshold):
        self.at_least(f"-({name})", [-v for v in values], -threshold)

    def finish(self):
        verdict = "not shown: " + "; ".join(self.failed) if self.failed else \
            "not resolved: " + "; ".join(self.open) if self.open else "shown"
        print(f"# {time.time() - self.start:.0f} s")
        print(verdict, flush=True)
        sys.exit(1 if self.failed else 2 if self.open else 0)
