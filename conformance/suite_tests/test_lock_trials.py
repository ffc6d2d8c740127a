"""The lock of a stream for real: killed, suspended, in other PID namespaces, after another boot (`writer.lock`).

Linux only: `unshare` starts a writer in its own PID namespace, as a container engine does, or with another boot id.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import mlvlogger
from mlv_validate import validate

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="namespaces are those of Linux")

_INDEX = Path(__file__).parents[2] / "javascript" / "src" / "index.js"
_PYTHON = [sys.executable, "-c"]
_NODE = ["node", "--input-type=module", "-e"]
_HOLDERS = {  # continue the experiment in the working directory, and log an event for each line of the standard input
    "mlvlogger": [
        *_PYTHON,
        """if True:
    import sys, warnings
    import mlvlogger
    warnings.simplefilter("ignore")
    exp = mlvlogger.Exp.resume(".")
    for line in sys.stdin:
        print(exp.log.event("batch", {"line": line.strip()}), flush=True)
""",
    ],
    "javascript": [
        *_NODE,
        f"""
import {{createInterface}} from "node:readline";
import {{Experiment}} from {json.dumps(str(_INDEX))};
process.removeAllListeners("warning");
const experiment = Experiment.resume(".");
for await (const line of createInterface({{input: process.stdin}})) {{
  console.log(experiment.log.event("batch", {{line}}));
}}
""",
    ],
}
_JAVASCRIPT_TRIES = [
    *_NODE,
    f"""
import {{Experiment}} from {json.dumps(str(_INDEX))};
const [takeover] = process.argv.slice(1);
try {{
  const experiment = Experiment.resume(".", {{}}, {{takeover: takeover === "takeover"}});
  experiment.log.event("taken", {{}});
  experiment.close("completed");
  console.log("acquired");
}} catch (error) {{
  console.log(error.message);
}}
""",
]
_PYTHON_TAKES = """if True:
    import mlvlogger
    with mlvlogger.Exp.resume(".", takeover=True) as exp:
        exp.log.event("taken", {})
    print("acquired")
"""
_CONTENDERS = {  # resume, log some events, each acknowledged in the file given, and close; again and again
    "mlvlogger": [
        *_PYTHON,
        """if True:
    import itertools, os, random, sys, time, warnings
    import mlvlogger
    warnings.simplefilter("ignore")
    name, acknowledged = sys.argv[1:]
    file = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    numbers = itertools.count()
    while True:
        try:
            exp = mlvlogger.Exp.resume(".")
        except mlvlogger.StreamBusy:
            time.sleep(random.uniform(0, 0.05))
            continue
        for number in itertools.islice(numbers, random.randrange(1, 6)):
            exp.log.event("batch", {"line": f"{name} {number}"})
            os.write(file, f"{name} {number}\\n".encode())
        exp.close()
""",
    ],
    "javascript": [
        *_NODE,
        f"""
import {{openSync, writeSync}} from "node:fs";
import {{setTimeout}} from "node:timers/promises";
import {{Experiment}} from {json.dumps(str(_INDEX))};
process.removeAllListeners("warning");
const [name, acknowledged] = process.argv.slice(1);
const file = openSync(acknowledged, "a");
let number = 0;
for (;;) {{
  let experiment = null;
  try {{
    experiment = Experiment.resume(".");
  }} catch (error) {{
    if (!/another|busy|writes/i.test(error.message)) throw error;
    await setTimeout(50 * Math.random());
    continue;
  }}
  for (let left = Math.floor(1 + 5 * Math.random()); left > 0; left -= 1) {{
    experiment.log.event("batch", {{line: `${{name}} ${{number}}`}});
    writeSync(file, `${{name}} ${{number}}\\n`);
    number += 1;
  }}
  experiment.close("completed");
}}
""",
    ],
}
_NAMESPACE = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"]
_BOOT = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
_ANOTHER_BOOT = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"'

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    with mlvlogger.Exp(tmp_path, "demo") as exp:
        exp.log.event("first", {})
    return tmp_path / "demo"


@pytest.fixture
def start(experiment: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts a holder of the log somewhere else, and waits until it has logged an event."""
    running = []
    boot = tmp_path / "boot_id"
    boot.write_text("00000000-1111-2222-3333-444444444444\n")

    def start(implementation: str, *, in_namespace: bool = False, after_boot: bool = False) -> subprocess.Popen[str]:
        command = list(_HOLDERS[implementation])
        if after_boot:
            command = [*_BOOT, _ANOTHER_BOOT, str(boot), *command]
        if in_namespace:
            command = [*_NAMESPACE, *command]
        holder = subprocess.Popen(
            command, cwd=experiment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        running.append(holder)
        log(holder, "begin")
        return holder

    yield start
    for holder in running:
        kill(holder)


def log(holder: subprocess.Popen[str], text: str) -> int:
    """Let the holder log an event; returns its `seq`, which acknowledges it."""
    assert holder.stdin is not None and holder.stdout is not None
    holder.stdin.write(f"{text}\n")
    holder.stdin.flush()
    answer = holder.stdout.readline()
    assert answer, "the holder ended: is `unshare` allowed here? Linux needs user namespaces for this test"
    return int(answer)


def kill(holder: subprocess.Popen[str]) -> None:
    """Kill a holder, and wait until all of its processes have ended: those in a namespace end a moment later."""
    started = _descendants(holder.pid)
    try:
        os.killpg(holder.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    holder.wait()
    while any(map(_is_running, started)):
        time.sleep(0.01)
    for stream in (holder.stdin, holder.stdout):
        if stream:
            stream.close()


def _descendants(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [found for child in map(int, children) for found in (child, *_descendants(child))]


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


def javascript_tries(experiment: Path, takeover: str = "") -> str:
    done = subprocess.run([*_JAVASCRIPT_TRIES, takeover], cwd=experiment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def logged(experiment: Path) -> set[str]:
    """The texts of the events that a reader finds, in all streams."""
    found = mlvlogger.read(experiment)
    return {event.data["line"] for stream in found.streams for event in found.events("batch", stream=stream)}


@pytest.mark.parametrize("implementation", _HOLDERS)
def test_a_living_writer_in_another_pid_namespace_keeps_its_stream(
    implementation: str, experiment: Path, start: Start
) -> None:
    holder = start(implementation, in_namespace=True)
    with pytest.raises(mlvlogger.StreamBusy):
        mlvlogger.Exp.resume(experiment)
    assert "takeover" in javascript_tries(experiment)
    log(holder, "after")
    assert logged(experiment) == {"begin", "after"}
    assert validate(experiment).targets[0].findings == ()


def test_the_stream_of_a_killed_writer_in_another_pid_namespace_is_free_at_once_by_its_kernel_lock(
    experiment: Path, start: Start
) -> None:
    kill(start("mlvlogger", in_namespace=True))
    with mlvlogger.Exp.resume(experiment) as exp:  # without notice, which `mlvlogger` would warn of
        exp.log.event("next", {})
    assert logged(experiment) == {"begin"}
    assert validate(experiment).targets[0].findings == ()


def test_a_killed_writer_without_a_kernel_lock_in_another_pid_namespace_needs_a_takeover(
    experiment: Path, start: Start
) -> None:
    kill(start("javascript", in_namespace=True))
    with pytest.raises(mlvlogger.StreamBusy, match="takeover=True"):
        mlvlogger.Exp.resume(experiment)
    with mlvlogger.Exp.resume(experiment, takeover=True) as exp:
        exp.log.event("next", {})
    report = validate(experiment, sealed=True).targets[0]
    assert report.findings == () and report.experiments[0].sealed


@pytest.mark.parametrize("by", ["mlvlogger", "javascript"])
@pytest.mark.parametrize("implementation", _HOLDERS)
def test_a_takeover_from_a_living_writer_loses_no_acknowledged_event(
    implementation: str, by: str, experiment: Path, start: Start
) -> None:
    """The holder finds within a second that its lock file is gone, and continues in a kept stream.

    A holder with a lock of the operating system that is seen isn't robbed.
    """
    holder = start(implementation, in_namespace=True)
    if implementation == "mlvlogger" and by == "mlvlogger":
        with pytest.raises(mlvlogger.StreamBusy):
            mlvlogger.Exp.resume(experiment, takeover=True)
        log(holder, "after")
        assert logged(experiment) == {"begin", "after"}
        return
    acknowledged = {"begin"}
    taker = (
        subprocess.Popen([*_JAVASCRIPT_TRIES, "takeover"], cwd=experiment, stdout=subprocess.PIPE, text=True)
        if by == "javascript"
        else subprocess.Popen([*_PYTHON, _PYTHON_TAKES], cwd=experiment, stdout=subprocess.PIPE, text=True)
    )
    number = 0
    while taker.poll() is None:
        number += 1
        log(holder, f"event {number}")
        acknowledged.add(f"event {number}")
        time.sleep(0.05)
    assert taker.stdout is not None
    assert taker.stdout.read().strip() == "acquired"
    taker.stdout.close()
    log(holder, "last")
    assert logged(experiment) == acknowledged | {"last"}
    assert [finding for finding in validate(experiment).targets[0].findings] == []


@pytest.mark.parametrize("implementation", _HOLDERS)
def test_after_a_reboot_the_stream_is_free_if_a_kernel_lock_proves_it(
    implementation: str, experiment: Path, start: Start
) -> None:
    kill(start(implementation, after_boot=True))
    begin = time.monotonic()
    if implementation == "mlvlogger":
        with mlvlogger.Exp.resume(experiment) as exp:
            assert time.monotonic() - begin >= 5  # notice: the lock file's writer could still live on another node
            exp.log.event("next", {})
    else:
        with pytest.raises(mlvlogger.StreamBusy, match="takeover=True"):
            mlvlogger.Exp.resume(experiment)
        assert "takeover" in javascript_tries(experiment)
        assert javascript_tries(experiment, "takeover") == "acquired"
    assert validate(experiment).targets[0].findings == ()


@pytest.mark.parametrize("by", ["mlvlogger", "javascript"])
def test_a_writer_that_was_suspended_while_its_stream_was_taken_over_continues_in_a_kept_stream(
    by: str, experiment: Path, start: Start
) -> None:
    holder = start("javascript", in_namespace=True)
    os.killpg(holder.pid, signal.SIGSTOP)
    try:
        if by == "javascript":
            assert javascript_tries(experiment, "takeover") == "acquired"
        else:
            with mlvlogger.Exp.resume(experiment, takeover=True) as exp:
                exp.log.event("taken", {})
    finally:
        os.killpg(holder.pid, signal.SIGCONT)
    log(holder, "after")
    found = mlvlogger.read(experiment)
    assert [event.data["line"] for event in found.events("batch")] == ["begin"]
    assert [event.data["line"] for event in found.events("batch", stream="log/kept-1.jsonl")] == ["after"]
    assert validate(experiment).targets[0].findings == ()


@pytest.mark.parametrize("seed", [1, 2])
def test_of_eight_contenders_in_two_languages_that_are_killed_at_random_none_destroys_an_event(
    seed: int, experiment: Path, tmp_path: Path
) -> None:
    """Each event that was acknowledged is read exactly once, in whichever session of whichever language it was."""
    choices = random.Random(seed)
    running: dict[int, subprocess.Popen[str]] = {}
    killed = 0

    def begin(slot: int) -> None:
        implementation = "mlvlogger" if slot % 2 else "javascript"
        arguments = [f"{slot}-{killed}", str(tmp_path / f"acknowledged-{slot}")]
        running[slot] = subprocess.Popen([*_CONTENDERS[implementation], *arguments], cwd=experiment, text=True)

    for slot in range(8):
        begin(slot)
    try:
        end = time.monotonic() + 20
        while time.monotonic() < end or not all((tmp_path / f"acknowledged-{slot}").exists() for slot in (0, 1)):
            time.sleep(choices.uniform(0.05, 0.6))
            slot = choices.randrange(8)
            assert running[slot].poll() is None
            running[slot].kill()
            running[slot].wait()
            killed += 1
            begin(slot)
    finally:
        for contender in running.values():
            contender.kill()
            contender.wait()
    acknowledged = [line for path in tmp_path.glob("acknowledged-*") for line in path.read_text().splitlines()]
    found = mlvlogger.read(experiment)
    read = [event.data["line"] for stream in found.streams for event in found.events("batch", stream=stream)]
    assert len(set(read)) == len(read)
    assert set(acknowledged) <= set(read)
    assert {int(line.split("-")[0]) % 2 for line in acknowledged} == {0, 1}  # both implementations had the lock
    findings = [finding for finding in validate(experiment).targets[0].findings if finding.rule != "log.torn"]
    assert findings == []
