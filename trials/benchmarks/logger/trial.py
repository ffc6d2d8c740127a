"""One trial of one subject, in a separate interpreter. `processes.py` starts it: `trial.py SPEC`, SPEC as JSON.

It imports nothing of this folder but the subject's adapter, since the interpreter may be any peer's. An adapter,
subjects/NAME.py, has two functions; the part after the colon in a subject's name is its *variant*:

- ``record(variant, directory, train)`` opens a log in the empty *directory*, calls ``train(log)`` or
  ``train(log, flush)`` once, and closes it. ``log(data)`` logs one event; *data* is a dict with a member "step".
- ``read(variant, directory)`` gives (step, loss) of every event that is found there afterwards.

It raises `LookupError` where what is to be measured is not there, with the reason.
"""

import array
import hashlib
import importlib.util
import json
import mmap
import random
import sys
import time
from pathlib import Path

__all__ = ["SHAPES"]

_random = random.Random(0)
_LOSSES = [_random.random() for _ in range(1024)]
_WORK = bytes(512 * 1024)  # its SHA-256 takes 0.3 ms with the processor's own instructions, and empties a small cache


def scalars(step):
    """Four scalars, what a training loop logs."""
    loss = _LOSSES[step & 1023]
    return {"step": step, "loss": loss, "accuracy": 1.0 - loss, "lr": 0.0003}


def nested(step):
    """Containers three deep, sixteen scalars."""
    loss = _LOSSES[step & 1023]
    top = {"top-1": loss, "top-5": 1.0 - loss, "per class": [loss, 0.25, 0.5, 0.75, 0.125, 0.0625, 0.375, 0.875]}
    return {"step": step, "loss": loss, "accuracy": top, "adam": {"lr": 0.0003, "betas": [0.9, 0.999], "warm": True}}


def strings(step):
    """Four strings, one of them with characters that JSON must escape, and the step."""
    return {
        "step": step,
        "loss": _LOSSES[step & 1023],
        "phase": "validation",
        "sample": "data/imagenet/val/n01440764/ILSVRC2012_val_00000293.JPEG",
        "caption": 'A "tench", Tinca tinca,\nheld by an angler; größer als erwartet.',
        "checkpoint": "checkpoints/epoch-0012/model_best.safetensors",
    }


SHAPES = {"scalars": scalars, "nested": nested, "strings": strings}


def load(subject):
    """The adapter of a subject; not by an import, where subjects/wandb.py would be taken for wandb itself."""
    name, _, variant = subject.partition(":")
    path = Path(__file__).with_name("subjects") / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"subject_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, variant


def log(subject, directory, shape, events, seconds, paced, acknowledged, **_):
    """Log up to *events* events, and for about *seconds*; with the time of each call, and what else it cost."""
    before_import = time.perf_counter()
    module, variant = load(subject)
    result = {"import": time.perf_counter() - before_import}
    make = SHAPES[shape]
    times = array.array("q")
    work = 0
    process_cpu = 0
    if acknowledged:
        with open(acknowledged, "r+b") as file:  # shared memory: the count outlives our death
            count = memoryview(mmap.mmap(file.fileno(), 8)).cast("q")
    else:
        count = [0]

    def train(log, flush=None):
        nonlocal work, process_cpu
        clock, cpu = time.perf_counter_ns, time.thread_time_ns
        process_cpu = time.process_time_ns()
        deadline = clock() + int(seconds * 1e9)
        for step in range(events):
            start = clock()
            log(make(step))
            stop = clock()
            times.append(stop - start)
            count[0] = step + 1
            if paced:
                begin = cpu()
                hashlib.sha256(_WORK)
                work += cpu() - begin
            if stop > deadline:
                break
        if events == 1:
            if flush is not None:
                flush()
            result["first"] = time.clock_gettime(time.CLOCK_MONOTONIC)

    module.record(variant, directory, train)
    result["cpu"] = (time.process_time_ns() - process_cpu - work) / 1e9
    n, ordered = len(times), sorted(times)
    # In the order of the calls: what a bounded buffer swallows comes first, what waits for it later.
    result.update(events=n, mean=sum(times) / n, max=ordered[-1])
    for name, share in ("median", 0.5), ("p99", 0.99), ("p99.9", 0.999):
        result[name] = ordered[min(n - 1, int(n * share))]
    return result


def read(subject, directory, count, **_):
    """How many of the first *count* events are found, and with how many another value than was logged."""
    module, variant = load(subject)
    kept, wrong = set(), 0
    for step, loss in module.read(variant, directory):
        expected = _LOSSES[int(step) & 1023]
        if abs(loss - expected) > 1e-6 * expected:  # a float32 is near enough
            wrong += 1
        elif step < count:
            kept.add(int(step))
    return {"kept": len(kept), "wrong": wrong}


def main(spec):
    spec = json.loads(spec)
    try:
        result = {"log": log, "read": read}[spec["do"]](**spec)
    except LookupError as error:
        result = {"absent": str(error.args[0])}
    result["total_cpu"] = time.process_time()
    Path(spec["result"]).write_text(json.dumps(result), "utf-8")


if __name__ == "__main__":
    del sys.path[0]  # this folder: no module here is to be taken for one of a peer's dependencies
    main(sys.argv[1])
