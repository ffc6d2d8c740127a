"""Squeeze a trained model: drop its smallest weights, and keep the others in half precision."""

import argparse
from pathlib import Path

import digits
import joblib
import numpy as np
from sklearn.metrics import accuracy_score

from mlvlogger import Exp, ref

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("checkpoint", type=Path, help="what train.py saved; its experiment is found by its place")
parser.add_argument("--ratio", type=float, default=0.5, help="the part of the weights to drop")
parser.add_argument("--name", default="subexp_1")
args = parser.parse_args()

state = joblib.load(args.checkpoint)
model = state["model"]
_, _, (x, y) = digits.load(state["seed"])

with Exp.find(args.checkpoint).sub(args.name, {"ratio": args.ratio, "dtype": "float16"}, kind="squeeze") as exp:
    log = exp.log
    log.event("input", exp=exp.parent.ref(), file=ref(args.checkpoint))
    before = accuracy_score(y, model.predict(x))

    squeezed = []
    for layer, weights in enumerate(model.coefs_):
        threshold = np.quantile(abs(weights), args.ratio)
        small = abs(weights) < threshold
        squeezed.append(np.where(small, 0, weights).astype("float16"))
        log.event("layer", layer=layer, shape=weights.shape, threshold=threshold, dropped=small.sum())

    output = exp.path / "model_squeezed.joblib"
    joblib.dump({"coefs": squeezed, "intercepts": model.intercepts_}, output, compress=9)
    model.coefs_ = [weights.astype("float32") for weights in squeezed]
    after = accuracy_score(y, model.predict(x))

    log.event("accuracy", before=before, after=after)
    log.event("size", before=args.checkpoint.stat().st_size, after=output.stat().st_size)
    log.event("output", file=exp.attach(output))
    print(f"test accuracy {before:.3f} before, {after:.3f} after")
