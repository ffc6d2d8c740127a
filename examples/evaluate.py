"""Evaluate the checkpoint of a training run on the digits that were held out."""

import argparse

import digits
import joblib
from sklearn.metrics import accuracy_score, log_loss

from mlvlogger import Exp, Table

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("experiment", help="the directory that train.py wrote")
parser.add_argument("--checkpoint", default="model_best.joblib")
args = parser.parse_args()

with Exp.open(args.experiment, params={"evaluation": {"split": "test"}}, stream="evaluate") as exp:
    state = joblib.load(exp.path / args.checkpoint)
    exp.log.event("input", file=exp.ref(args.checkpoint), epoch=state["epoch"])

    _, _, (x, y) = digits.load(state["seed"])
    probabilities = state["model"].predict_proba(x)
    predictions = probabilities.argmax(axis=1)

    test = exp.log.sub("test")
    for digit in range(10):
        found = predictions[y == digit] == digit
        test.event("digit", digit=digit, images=len(found), accuracy=found.mean())
    accuracy = accuracy_score(y, predictions)
    test.event("result", images=len(y), accuracy=accuracy, loss=log_loss(y, probabilities))

    likeliest = probabilities.max(axis=1)
    mistakes = [
        {"image": number, "digit": digit, "predicted": predictions[number], "probability": likeliest[number]}
        for number, digit in enumerate(y)
        if predictions[number] != digit
    ]
    test.event("mistakes", step=state["step"], table=Table.of(mistakes))
    samples = exp.stream("samples")  # of the profile for samples in the specification
    for number in range(50):
        samples.event(
            "test/sample",
            step=state["step"],
            sample_id=f"digits-{number}",
            input=(x[number] * 16).astype(int).reshape(8, 8),
            target=str(y[number]),
            output=str(predictions[number]),
            scores={"correct": predictions[number] == y[number], "probability": likeliest[number]},
        )
    print(f"test accuracy {accuracy:.3f}")
