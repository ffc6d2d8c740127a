"""Train a small network on handwritten digits."""

import argparse
import resource
from datetime import datetime, timezone

import digits
import joblib
import matplotlib
import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay, accuracy_score, log_loss
from sklearn.neural_network import MLPClassifier

from mlvlogger import Exp, Histogram, ref

matplotlib.use("Agg")

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--savedir", default="runs")
parser.add_argument("--name", default="my_exp_1")
parser.add_argument("--epochs", type=int, default=8)
parser.add_argument("--batch-size", type=int, default=64)
parser.add_argument("--lr", type=float, default=1e-2)
parser.add_argument("--hidden", type=int, default=32)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()

params = {
    "model": {"type": "MLPClassifier", "hidden": [args.hidden]},
    "data": ref(digits.FILE),
    "epochs": args.epochs,
    "batch_size": args.batch_size,
    "lr": args.lr,
    "seed": args.seed,
}

(x, y), (x_valid, y_valid), _ = digits.load(args.seed)
shuffle = np.random.default_rng(args.seed)
model = MLPClassifier([args.hidden], learning_rate_init=args.lr, random_state=args.seed)

with Exp(args.savedir, args.name, params, kind="train", tags=["digits"]) as exp:
    log = exp.log
    checkpoint = exp.path / "model_best.joblib"
    log.event("data", train=len(y), validation=len(y_valid), loaded=datetime.now(timezone.utc))
    best = 0.0
    step = 0

    for n in range(args.epochs):
        with log.span("epoch", n=n) as epoch:
            for batch in np.array_split(shuffle.permutation(len(y)), len(y) // args.batch_size):
                model.partial_fit(x[batch], y[batch], classes=range(10))
                step += 1
                epoch.event("batch", step=step, loss=model.loss_)

            probabilities = model.predict_proba(x_valid)
            accuracy = accuracy_score(y_valid, probabilities.argmax(axis=1))
            epoch.event("validation", step=step, accuracy=accuracy, loss=log_loss(y_valid, probabilities))
            weights = {f"layer{number}": Histogram.of(layer, bins=32) for number, layer in enumerate(model.coefs_)}
            epoch.event("weights", weights, step=step)

            if accuracy > best:
                best = accuracy
                # The mark is the log position of this model state, for a training that continues from it.
                state = {"model": model, "seed": args.seed, "epoch": n, "step": step, "accuracy": accuracy}
                state["mark"] = exp.mark()
                joblib.dump(state, checkpoint, compress=3)
                epoch.event("improved", step=step, accuracy=accuracy)

        used = resource.getrusage(resource.RUSAGE_SELF)
        exp.stream("resources").event("usage", epoch=n, cpu_seconds=used.ru_utime, max_rss_kib=used.ru_maxrss)
        print(f"epoch {n}: validation accuracy {accuracy:.3f}")

    with exp.create("confusion.png", "wb") as picture:
        display = ConfusionMatrixDisplay.from_predictions(y_valid, joblib.load(checkpoint)["model"].predict(x_valid))
        display.figure_.savefig(picture, format="png")
    log.event("confusion", split="validation", file=picture.ref)
    log.event("checkpoint", accuracy=best, file=exp.attach(checkpoint))
