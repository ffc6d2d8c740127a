"""Writers: a scenario is handed to a driver, which may be killed at any moment, and what is left is judged."""

import json
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlv_conformance._driver import Answer, Driver, Failed, Process, Unsupported
from mlv_conformance._left import Left
from mlv_conformance._results import Outcome, Result
from mlv_conformance._scenarios import Run, Scenario, Step
from mlv_conformance._suite import SuiteError, apply
from mlv_validate import RULES

_ZONE = "Asia/Kathmandu"
"""Drivers are run in a time zone in which local time cannot be taken for UTC."""
_KILLED_WITHIN = 0.02  # seconds after an operation was handed over
_UNSEEN = 1.1  # seconds; a writer may rely for one second on what it saw at a path
_AFTERWARDS: list[Step] = [
    {"do": {"op": "resume", "path": "my_exp_1"}},
    {"do": {"op": "event", "event": "afterwards", "data": {"object": {}}}},
    {"do": {"op": "close", "status": "completed"}},
]


def writer_results(driver: Driver, scenarios: Sequence[Scenario]) -> Iterator[Result]:
    """The results of all scenarios; those that close what they open have one for each level."""
    for scenario in scenarios:
        try:
            core, sealed = _try(driver, scenario)
        except Unsupported:
            yield Result("writer", "core", scenario.id, scenario.rules, "unsupported")
            continue
        yield Result("writer", "core", scenario.id, scenario.rules, _outcome(scenario, core), "; ".join(core))
        if scenario.closed or scenario.kill:
            sealed = sealed or core  # what is not at level Core is not at level Sealed
            yield Result("writer", "sealed", scenario.id, scenario.rules, _outcome(scenario, sealed), "; ".join(sealed))


def _outcome(scenario: Scenario, problems: list[str]) -> Outcome:
    if not problems:
        return "passed"
    return "failed" if any(RULES[rule].level == "MUST" for rule in scenario.rules) else "warned"


def _try(driver: Driver, scenario: Scenario) -> tuple[list[str], list[str]]:
    """What is wrong at level Core, and at level Sealed."""
    core, sealed = list[str](), list[str]()
    chance = random.Random(scenario.id)
    for trial in _trials(scenario):
        with tempfile.TemporaryDirectory(prefix="mlv-conformance-") as folder:
            work = _Work(driver, scenario, Path(folder, "outside", "savedir"), chance)
            work.do(trial)
        core += work.problems
        sealed += work.unsealed
        if core or sealed:
            break
    return core, sealed


def _trials(scenario: Scenario) -> Iterator[list[tuple[Run, int | None]]]:
    """The runs to be made, each with the number of the step after which the driver is killed."""
    if scenario.kill is None:
        yield [(run, None) for run in scenario.runs]
        return
    [run] = scenario.runs
    for after in range(len(run.together[0]) + (scenario.kill == "acknowledged")):
        yield [(run, after), (Run([_AFTERWARDS]), None)]


class _Work:
    """One scenario at work in one directory."""

    def __init__(self, driver: Driver, scenario: Scenario, directory: Path, chance: random.Random) -> None:
        directory.mkdir(parents=True)
        self._driver = driver
        self._scenario = scenario
        self._directory = directory
        self._chance = chance
        self._left = Left(directory)
        self._answers: dict[str, Any] = {}
        self.problems: list[str] = []
        self.unsealed: list[str] = []

    def do(self, runs: list[tuple[Run, int | None]]) -> None:
        """Make the runs, and judge what each leaves."""
        for number, (run, killed_after) in enumerate(runs):
            if number and killed_after is None and self._scenario.kill and not self._left.exists("my_exp_1"):
                break  # killed before there was an experiment
            if run.edit:
                apply(self._directory, run.edit)
            self._left.begin()
            begin = time.time()
            sessions = [_Session(steps) for steps in run.together]
            try:
                self._run(run, sessions, killed_after)
            except Failed as error:
                self.problems.append(f"run {number + 1}: {error}")
            self.problems += self._judged(sessions, killed_after, (_utc(begin - 1), _utc(time.time() + 1)))
            self.problems += self._left.changed()
            if self.problems:
                return
        self.problems += self._finally()
        if self._scenario.closed or self._scenario.kill:
            self.unsealed += self._left.judge(sealed=True)

    def _judged(self, sessions: list["_Session"], killed_after: int | None, period: tuple[str, str]) -> Iterator[str]:
        """What is wrong with what a run has left. What it acknowledged is looked for only in what is valid."""
        if self._scenario.unjudged:
            return
        if problems := self._left.judge(killed=killed_after is not None):
            yield from problems
            return
        yield from self._left.continued()
        for session in sessions:
            yield from session.check(self._left, period, strict=not self._scenario.absent)
        yield from self._left.surplus([session.acknowledged for session in sessions], killed_after)
        yield from self._left.equal_nonces()

    def _run(self, run: Run, sessions: list["_Session"], killed_after: int | None) -> None:
        with ExitStack() as stack:
            environment = {"TZ": _ZONE, **run.env}
            processes = [stack.enter_context(self._driver.write(self._directory, environment)) for _ in sessions]
            for step in range(max(len(session.steps) for session in sessions)):
                for process, session in zip(processes, sessions, strict=True):
                    if step != killed_after and session.goes_on(step):
                        self._disturb(session, session.steps[step])
                        process.send(self._filled(session.steps[step]["do"]))
                if step == killed_after:
                    self._kill(processes[0], sessions[0].steps[step])
                    return
                for process, session in zip(processes, sessions, strict=True):
                    if session.goes_on(step):
                        self._answered(session, step, process.answer())
            for process, session in zip(processes, sessions, strict=True):
                process.finish()
                self._untold(session)
            if len(sessions) > 1 and all(session.gone for session in sessions):
                self.problems.append("all that were to work at once were refused")

    def _kill(self, process: Process, step: Step) -> None:
        if self._scenario.kill == "asked":
            process.send(self._filled(step["do"]))
            time.sleep(self._chance.random() * _KILLED_WITHIN)
        process.kill()

    def _disturb(self, session: "_Session", step: Step) -> None:
        """Make the edits of a step, as another program does while the writer has its files open."""
        if "edits" not in step:
            return
        if step["edits"]:
            self.problems += self._left.continued()
            self._untold(session)
            before, content = session.stream, self._left.content(session.stream)
            seq = session.disturbed(step.get("then", {}).get("stream"))
            try:
                self._left.disturb(step["edits"], scattered="then" not in step)
            except SuiteError as error:
                raise Failed(f"what was to be changed is not there: {error}") from error
            if "then" in step:
                self._left.continues(session.stream, before, content, seq, begins=step["then"]["begins"])
        if step["do"]["op"] != "close":  # before it closes, a writer always looks
            time.sleep(_UNSEEN)

    def _untold(self, session: "_Session") -> None:
        if self._scenario.told and session.is_told is False:
            self.problems.append("another program changed the file of the stream, and the user was not warned")

    def _filled(self, operation: Any) -> Any:
        """The operation with `$name` replaced by what the step with that name was answered."""
        return {
            name: self._answers[part[1:]] if isinstance(part, str) and part[:1] == "$" else part
            for name, part in operation.items()
        }

    def _answered(self, session: "_Session", number: int, answer: Answer) -> None:
        step = session.steps[number]
        if "as" in step:
            self._answers[step["as"]] = answer.get("seq", answer.get("path"))
        wanted = self._filled(step.get("answer", {}))
        for name, part in wanted.items():
            if answer.get(name) != part:
                self.problems.append(f"{_shown(step)} was answered with {name} {answer.get(name)!r}, not {part!r}")
        problem = session.answered(number, self._filled(step["do"]), answer)
        if problem:
            self.problems.append(problem)

    def _finally(self) -> list[str]:
        scenario, problems = self._scenario, list[str]()
        if scenario.nothing and self._left.experiments():
            problems.append("there is an experiment, though making it was refused")
        problems += [f"{name} was written outside of the directory" for name in self._left.outside()]
        if scenario.state and (state := self._left.state("my_exp_1")) != scenario.state:
            problems.append(f"the state is {state}, not {scenario.state}")
        problems += [f"{text!r} is in {path}" for text in scenario.absent for path in self._left.holding(text)]
        return [*problems, *self._left.seldom_sealed()]


class _Session:
    """What one process was asked and what it acknowledged."""

    def __init__(self, steps: list[Step]) -> None:
        self.steps = steps
        self.acknowledged: list[tuple[str, dict[str, Any], Answer]] = []
        """The stream, the operation and the answer."""
        self._path = ""
        self._stream: str | None = "log.jsonl"
        self.gone = False
        self.is_told: bool | None = None
        """Whether the user was warned since the last edits; None before them."""

    @property
    def stream(self) -> str:
        """The path in the savedir of the stream that is open; of the experiment, if the stream is not known."""
        return f"{self._path}/{self._stream}" if self._stream else self._path

    def disturbed(self, stream: str | None) -> int:
        """
        Expect the next events in another stream of the experiment, None for any of them.

        Returns the last `seq` that was acknowledged in the stream so far. What was acknowledged there is not looked
        for any more: it is compared as bytes, or it is lost.
        """
        answers = [answer for path, _, answer in self.acknowledged if path == self.stream]
        if stream is None or stream != self._stream:
            self._stream = stream
            self.acknowledged = [one for one in self.acknowledged if one[1]["op"] in ("create", "resume", "open")]
        self.is_told = False
        return max((answer["seq"] for answer in answers if "seq" in answer), default=0)

    def goes_on(self, step: int) -> bool:
        """Whether there is a step of this number to be done."""
        return step < len(self.steps) and not self.gone

    def answered(self, number: int, operation: dict[str, Any], answer: Answer) -> str | None:
        """Take an answer; returns what is wrong with it."""
        step = self.steps[number]
        if self.is_told is False:
            self.is_told = bool(answer.get("told")) or isinstance(answer.get("refused"), str)
        if isinstance(answer.get("refused"), str):
            if step.get("may") == "refused":
                self.gone = True
            elif not step.get("refused"):
                return f"{_shown(step)} was refused: {answer['refused'][:200]!r}"
            return None
        if step.get("refused"):
            return f"{_shown(step)} was not refused"
        op = operation["op"]
        if op == "create":
            self._path = "/".join(filter(None, [operation.get("in"), operation["name"]]))
        elif op in ("resume", "open"):
            self._path = operation["path"]
            self._stream = "log.jsonl" if op == "resume" else str(answer.get("stream"))
        elif op not in ("attach", "close") and type(answer.get("seq")) is not int:
            return f"{_shown(step)} was not acknowledged with a seq: {json.dumps(answer)[:200]}"
        self.acknowledged.append((self.stream, operation, answer))
        return None

    def check(self, left: Left, period: tuple[str, str], *, strict: bool) -> Iterator[str]:
        """What is not there as it was acknowledged; `strict` says that parameters must be as they were given."""
        for stream, operation, answer in self.acknowledged:
            match operation["op"]:
                case "create" | "resume" | "open":
                    if not left.is_gone(stream):
                        yield from left.lacks_meta(stream, operation, answer, strict=strict)
                case "attach":
                    yield from left.lacks_file(stream, answer.get("path"), bytes.fromhex(operation["hex"]))
                case "close":
                    pass
                case _ if not stream.endswith(".jsonl"):
                    problems = [
                        list(left.lacks_event(one, operation, answer["seq"], period)) for one in left.somewhere(stream)
                    ]
                    if all(problems):
                        yield f"the event {answer['seq']} was acknowledged and is in no stream of {stream}"
                case _:
                    yield from left.lacks_event(stream, operation, answer["seq"], period)


def _shown(step: Step) -> str:
    return f"the operation {json.dumps(step['do'])[:150]}"


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
