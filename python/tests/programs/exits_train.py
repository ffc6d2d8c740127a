import json
import os
import resource
import signal
import sys
from typing import Any

import numpy as np

from mlvlogger import Exp

resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
home, way, last = sys.argv[1], sys.argv[2], int(sys.argv[3])
signal.signal(signal.SIGINT, signal.default_int_handler)
for name in ("SIGTERM", "SIGHUP"):  # whoever runs the tests may have them ignored
    signal.signal(getattr(signal, name), signal.SIG_DFL)


def save(state: Any) -> None:
    with open("new.npz", "wb") as file:
        np.savez(file, **state, mark=json.dumps(exp.mark()), rng=json.dumps(rng.bit_generator.state))
    os.replace("new.npz", exp.path / "checkpoint.npz")


def train() -> None:
    state: dict[str, Any] = {"epoch": 0, "weights": np.zeros(5), "velocity": np.zeros(5)}
    if (exp.path / "checkpoint.npz").exists():
        saved = dict(np.load(exp.path / "checkpoint.npz"))
        rng.bit_generator.state = json.loads(str(saved.pop("rng")))
        exp.rewind(json.loads(str(saved.pop("mark"))), reason=way)
        state: dict[str, Any] = {**saved, "epoch": int(saved["epoch"])}  # type: ignore[no-redef]
    x = np.random.default_rng(1).normal(size=(64, 5))
    y = x @ np.arange(5.0)
    gradients = exp.stream("gradients")
    while state["epoch"] < 6:
        with exp.log.span("epoch", n=state["epoch"]) as epoch:
            for batch in range(8):
                rows = rng.integers(64, size=16)
                error = x[rows] @ state["weights"] - y[rows]
                gradient = error @ x[rows] / 16
                state["velocity"] = 0.9 * state["velocity"] - 0.05 * gradient
                state["weights"] = state["weights"] + state["velocity"]
                step = 8 * state["epoch"] + batch
                epoch.event("batch", step=step, loss=float(error @ error) / 16)
                gradients.event("norm", step=step, value=float(np.linalg.norm(gradient)))
                if step == last:
                    leave()
                    return
        state["epoch"] += 1
        if state["epoch"] % 2 == 0:
            save(state)
    np.save("weights.npy", state["weights"])


def leave() -> None:
    if way == "exception":
        raise ValueError(way)
    if way == "sys.exit":
        sys.exit(3)
    if way == "os._exit":
        os._exit(3)
    if way == "os.abort":
        os.abort()
    if way.startswith("SIG"):
        os.kill(os.getpid(), getattr(signal, way.split()[0]))
        signal.pause()


rng = np.random.default_rng(7)
exp = Exp("runs", home, {"seed": 7}, exists="resume", writer=sys.argv[5])
if "pauses" in way:
    signal.signal(signal.SIGTERM, lambda *_: (exp.log.pause("SIGTERM"), sys.exit(143)))
if sys.argv[4] == "with":
    with exp:
        train()
else:
    train()
