"""Crashes: a real process, a real SIGKILL in the middle, and what was acknowledged is there."""

import hashlib
import json
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import Exp, read
from program import program

HOME = Path("runs/e")

SCRIPT = program("crash_at_random")


@pytest.mark.slow
@pytest.mark.rule("writer.line")
@pytest.mark.rule("writer.kept")
@pytest.mark.rule("writer.torn")
def test_after_twenty_kills_every_acknowledged_event_is_in_the_log(begin: Callable[..., Any], conforms: Any) -> None:
    """20 sessions of one experiment, each killed at a random moment while it logs into two streams and attaches."""
    moments = random.Random(20261122)
    expected: dict[tuple[str, int], int] = {}
    sealed: dict[str, bytes] = {}
    for session in range(20):
        process = begin(SCRIPT)
        assert process.stdout.readline() == "ready\n"
        least = moments.randrange(150)
        while Path("acknowledged").read_bytes().count(b"\n") < least:
            assert process.poll() is None
            time.sleep(0.001)
        time.sleep(moments.uniform(0.0, 0.003))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        for acknowledged in Path("acknowledged").read_bytes().splitlines(keepends=True):
            if acknowledged.endswith(b"\n"):
                stream, seq, number = acknowledged.split()
                expected[stream.decode(), int(seq)] = int(number)
        Path("acknowledged").unlink()
        run = read(HOME)
        found = {
            (name, event.seq): event.data["number"] for name in run.streams for event in run.events("**/x", stream=name)
        }
        assert expected.items() <= found.items()
        assert run.problems == [] and run.state == "open" and len(run.records) == session + 1
        for name, before in sealed.items():
            assert (HOME / name).read_bytes().startswith(before), "what was committed has changed"
        sealed = {name: (data := (HOME / name).read_bytes())[: data.rfind(b"\n") + 1] for name in run.streams}
    assert len(expected) > 1000
    with Exp.resume(HOME) as exp:
        exp.stream("gpu")
    streams = conforms(HOME, sealed=True)
    assert [event["event"] for event in streams["log.jsonl"]].count("mlv/start") == 21
    assert read(HOME).state == "completed"


@pytest.mark.rule("writer.torn")
def test_an_experiment_torn_at_any_byte_of_its_last_event_is_resumed(conforms: Any) -> None:
    with Exp("runs", "e") as exp:
        exp.log.event("x", text="é")
        whole = (HOME / "log.jsonl").read_bytes()
        exp.log.event("y", text="torn")
        last = (HOME / "log.jsonl").read_bytes()[len(whole) :]
    for cut in range(0, len(last), 7):
        (HOME / "log.jsonl").write_bytes(whole + last[:cut])
        for addition in (HOME / "meta").glob("*.json"):
            addition.unlink()
        with Exp.resume(HOME) as exp:
            assert exp.log.event("z") == 4
        events = conforms(HOME, sealed=True)["log.jsonl"]
        assert [event["event"] for event in events] == ["mlv/start", "x", "mlv/start", "z", "mlv/end"]
        recovered = {"size": cut, "sha256": hashlib.sha256(last[:cut]).hexdigest()} if cut else None
        assert events[2]["data"].get("recovered") == recovered


@pytest.mark.rule("writer.temporary")
@pytest.mark.slow
@pytest.mark.rule("writer.publish")
def test_a_script_killed_while_it_makes_an_experiment_leaves_one_or_none(
    begin: Callable[..., Any], conforms: Any
) -> None:
    """Killed after a growing number of calls into the system, by itself."""
    code = program("crash_at_any_call")
    number, killed = 0, True
    while killed:
        number += 1
        script = begin(code, number)
        killed = script.wait() == -signal.SIGKILL
        assert killed or script.returncode == 0
        home = Path("runs", str(number))
        if (home / "meta.json").exists():
            assert json.loads((home / "meta.json").read_bytes())["params"] == {"a": 1}
            Exp.resume(home).close()
            conforms(home, sealed=True)
        else:
            Exp("runs", str(number)).close()
    assert number > 10
