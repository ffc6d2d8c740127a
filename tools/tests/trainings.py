"""Small trainings that run in a second, with everything that a report shows, for its tests."""

from __future__ import annotations

import math
import struct
import time
import zlib
from pathlib import Path

import numpy as np

from mlvlogger import Exp

PWN = "</script><script>document.title='PWN'</script><img src=x onerror=\"document.title='PWN'\">"
EXPRESSION = "datum.x + (document.title='PWN') + constructor.constructor('document.title=1')() {{7*7}} ${7*7}"

CONTROL = "\x1b[31m\x00\u2028\u202e"


def png(pixels: np.ndarray) -> bytes:
    """A grey picture of an array of rows of bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels.astype(np.uint8))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def train(runs: Path, name: str, lr: float, *, momentum: float = 0.0, epochs: int = 6, size: int = 12) -> Exp:
    """Logistic regression by gradient descent; the image is how the weights look."""
    rng = np.random.default_rng(0)
    x, truth = rng.normal(size=(240, size * size)), rng.normal(size=size * size)
    y = (x @ truth > 0).astype(float)
    weights, speed = np.zeros(size * size), np.zeros(size * size)
    params = {"lr": lr, "optimizer": {"name": "sgd", "momentum": momentum}, "batch_size": 20, "seed": 0}
    with Exp(runs, name, params, kind="train", tags=["toy"]) as exp, np.errstate(all="ignore"):
        step = 0
        for n in range(epochs):
            with exp.log.span("epoch", n=n) as epoch:
                for rows in np.split(rng.permutation(240), 12):
                    guess = 1 / (1 + np.exp(-x[rows] @ weights))
                    loss = -np.mean(y[rows] * np.log(guess) + (1 - y[rows]) * np.log(1 - guess))
                    speed = momentum * speed - lr * x[rows].T @ (guess - y[rows]) / 20
                    weights = weights + speed
                    step += 1
                    epoch.event("batch", step=step, loss=float(loss))
                epoch.event("validation", step=step, accuracy=float(np.mean((x @ weights > 0) == y)))
                grey = 127 + 120 * weights.reshape(size, size) / (np.abs(weights).max() or 1)
                with exp.create(f"weights/{n}.png", "wb") as file:
                    file.write(png(np.kron(grey, np.ones((8, 8)))))
                epoch.event("weights", step=step, file=file.ref)
    return exp


WRITING: list[Exp] = []


def some(runs: Path) -> None:
    """Some experiments: good ones, one with a loss that becomes NaN, one that is open, and one that is broken."""
    for lr in (0.01, 0.1, 1.0):
        for momentum in (0.0, 0.9):
            train(runs, f"lr-{lr}-m-{momentum}", lr, momentum=momentum)
    with Exp.find(runs / "lr-1.0-m-0.9").sub("pruned", {"ratio": 0.5}, kind="squeeze") as sub:
        for step in range(30):
            sub.log.event("size", step=step, weights=144 - 2 * step)
    with Exp(runs, "diverged", {"lr": 30.0, "optimizer": {"name": "sgd", "momentum": 0.0}}, kind="train") as exp:
        for step in range(1, 73):
            exp.log.event("epoch/batch", step=step, loss=math.nan if 20 < step < 30 or step > 50 else 1 + step / 50)
    exp = Exp(runs, "still-open", {"lr": 0.3}, kind="train")
    exp.log.span("epoch", n=0).event("batch", step=1, loss=0.7)
    WRITING.append(exp)  # an experiment that is dropped ends
    broken = Exp(runs, "broken", {"lr": 1}).path
    (broken / "meta.json").chmod(0o644)
    (broken / "meta.json").write_text('{"mlv": "1.0", "name":')


def hostile(runs: Path) -> None:
    """An experiment in which every string that a user chooses tries to run in the page."""
    params = {PWN: PWN, EXPRESSION: EXPRESSION, "__proto__": "own", "constructor": {"toString": PWN}, CONTROL: CONTROL}
    with Exp(runs, "hostile", params, kind="x", tags=[PWN, EXPRESSION], description=PWN, extra={PWN: PWN}) as exp:
        for text in (PWN.replace("/", "\u2215"), EXPRESSION.replace("/", "")):
            for step in range(4):
                exp.log.event(
                    text, {"step": step, PWN: step * 0.5, EXPRESSION: step * 2.0, "__proto__": step, CONTROL: 1}
                )
            with exp.log.span(text, {PWN: PWN, "u": "\u2028\u2029\ud800\x00\x1b[31m<!--<script>"}):
                time.sleep(0.02)
        with exp.create("a.svg", "w") as file:
            file.write('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" onload="document.title=\'PWN\'">')
            file.write("<script>document.title='PWN'</script><image href='http://127.0.0.1:9/x.png'/></svg>")
        exp.log.event("picture", {PWN: file.ref})
    log = exp.path / "log.jsonl"
    line = '{"seq":%d,"time":"2026-01-01T00:00:00.000000Z","event":"leak","data":{"file":{"_mlv":"file","path":%s,'
    line += '"size":9,"sha256":"%s","media_type":"image/png"}}}\n'
    with log.open("a") as out:
        for i, path in enumerate(
            ('"../../../etc/passwd"', '"/etc/passwd"', '"files/<img src=x onerror=alert(1)>.png"')
        ):
            out.write(line % (100 + i, path, "0" * 64))
