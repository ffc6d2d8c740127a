"""Tests of writers: a driver runs a scenario, perhaps is killed at any moment, and the directory is checked."""

import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlv_conformance._driver import Answer, Driver, Failed, Process, Unsupported
from mlv_conformance._kept import Kept
from mlv_conformance._readers import answer_differences
from mlv_conformance._results import Outcome, Result
from mlv_conformance._suite.cases import NotOnThisMachine, SuiteError, apply_edit
from mlv_conformance._suite.locks import lock_problems
from mlv_conformance._suite.scenarios import Run, Scenario, Step
from mlv_conformance._writers.calls import Calls
from mlv_conformance._writers.observed import Observer
from mlv_conformance._writers.savedir import Savedir, experiment_of
from mlv_conformance._writers.session import Session, shown_step
from mlv_conformance._writers.written import WrittenTree
from mlv_validate import RULES

_ZONE = "Asia/Kathmandu"
"""Drivers run in a time zone in which local time and UTC can't be confused."""
_MAX_KILL_DELAY = 0.02  # seconds after an operation was sent
_CHECK_EXPIRES = 1.1  # seconds; a writer may rely for one second on an earlier check of a path
_BYTES_LEFT = 20
"""The bytes of a line that can be written while the disk is full."""
_SCALES = (1, 2, 4, 4, 4, 4)
"""How much larger than in the scenario files are, each time that it is tried because a moment was missed."""
_RESUME: list[Step] = [
    {"do": {"op": "resume", "path": "my_exp_1"}},
    {"do": {"op": "event", "event": "afterwards", "data": {"object": {}}}},
    {"do": {"op": "close", "status": "completed"}},
]


def writer_results(
    drivers: Sequence[Driver], scenarios: Sequence[Scenario], kept: Kept | None = None
) -> Iterator[Result]:
    """Return the results of all scenarios; a scenario that closes what it opens has a result for each level.

    Scenarios that fail or warn are kept.

    Of two drivers, only scenarios with several processes have results, twice: the processes are in turn those of the
    one driver and the other.
    """
    for scenario in scenarios:
        if len(drivers) == 1:
            yield from _results(drivers, scenario, scenario.id, kept)
        elif scenario.has_several_processes:
            yield from _results(drivers, scenario, f"{scenario.id} (DRIVER first)", kept)
            yield from _results(drivers[::-1], scenario, f"{scenario.id} (OTHER first)", kept)


def _results(drivers: Sequence[Driver], scenario: Scenario, name: str, kept: Kept | None) -> Iterator[Result]:
    rules = scenario.rules
    try:
        core, sealed, warnings = _problems(drivers, scenario, name, kept)
    except Unsupported:
        yield Result("writer", "core", name, rules, "unsupported")
        return
    except NotOnThisMachine as error:
        yield Result("writer", "core", name, rules, "omitted", str(error))
        return
    outcome = _outcome(scenario, core) if core or not warnings else "warned"
    yield Result("writer", "core", name, rules, outcome, "; ".join(core or warnings))
    if scenario.closed or scenario.kill:
        sealed = sealed or core  # what fails at level Core fails at level Sealed
        yield Result("writer", "sealed", name, rules, _outcome(scenario, sealed), "; ".join(sealed))


def _outcome(scenario: Scenario, problems: list[str]) -> Outcome:
    if not problems:
        return "passed"
    return "failed" if any(RULES[rule].level == "MUST" for rule in scenario.rules) else "warned"


def _problems(
    drivers: Sequence[Driver], scenario: Scenario, name: str, kept: Kept | None
) -> tuple[list[str], list[str], list[str]]:
    """Return the problems at level Core, those at level Sealed, and the broken SHOULDs of the written directory.

    The attempt that has some is kept.
    """
    core, sealed, warnings = list[str](), list[str](), list[str]()
    rng = random.Random(scenario.id)
    for trial in _trials(scenario):
        for scale in _SCALES:
            with tempfile.TemporaryDirectory(prefix="mlv-conformance-") as folder:
                attempt = _Attempt(drivers, scenario, Path(folder, "outside", "savedir"), rng, scale)
                drivers[0].transcript.begin()
                attempt.run(trial)
                is_whole = bool(attempt.problems) or not attempt.missed
                found = attempt.problems + attempt.unsealed or attempt.warnings * (not warnings)
                if kept and is_whole and found:
                    kept.add("writer", name, scenario, "\n".join(found), Path(folder, "outside", "savedir"))
            if is_whole:
                break
        else:
            raise NotOnThisMachine("not tested in this run: the driver was never seen in the middle of the operation")
        core += attempt.problems
        sealed += attempt.unsealed
        warnings += attempt.warnings
        if core or sealed:
            break
    return core, sealed, warnings


def _trials(scenario: Scenario) -> Iterator[list[tuple[Run, int | None]]]:
    """Return the runs of each trial, each with the number of the step after which the driver is killed."""
    if scenario.kill is None:
        yield [(run, None) for run in scenario.runs]
        return
    [run] = scenario.runs
    for after in range(len(run.together[0]) + (scenario.kill == "acknowledged")):
        yield [(run, after), (Run([_RESUME]), None)]


class _Attempt:
    """One attempt at a scenario, in a separate directory."""

    def __init__(
        self, drivers: Sequence[Driver], scenario: Scenario, directory: Path, rng: random.Random, scale: int
    ) -> None:
        directory.mkdir(parents=True)
        self._scale = scale
        self._drivers = drivers
        self._scenario = scenario
        self._savedir = Savedir(directory)
        self._rng = rng
        self._written = WrittenTree(self._savedir, scenario.damaged)
        self._answers: dict[str, Any] = {}
        self.problems: list[str] = []
        self.unsealed: list[str] = []
        self.warnings: list[str] = []
        self.saw_middle = False
        self.is_traced = False

    @property
    def missed(self) -> bool:
        """Whether a moment that a step watches for was never observed."""
        watched = Counter(step.get("watch") for run in self._scenario.runs for steps in run.together for step in steps)
        return bool(watched["publication"]) and not self.saw_middle or bool(watched["line"]) and not self.is_traced

    def run(self, runs: list[tuple[Run, int | None]]) -> None:
        """Make the runs, and check the directory after each."""
        if self._scenario.base:
            shutil.copytree(self._scenario.base, self._savedir.path / "my_exp_1")
        for number, (run, killed_after) in enumerate(runs):
            if number and killed_after is None and self._scenario.kill and not self._savedir.has_experiment("my_exp_1"):
                break  # killed before there was an experiment
            begin = time.time()
            sessions = [Session(steps) for steps in run.together]
            drivers = [self._drivers[(number + place) % len(self._drivers)] for place in range(len(sessions))]
            try:
                if run.edit:
                    self._make_edits(apply_edit, self._savedir.path, run.edit)
                self._written.begin()
                self._run_sessions(run, drivers, sessions, killed_after)
            except Failed as error:
                self.problems.append(f"run {number + 1}: {error}")
            except OSError as error:  # as below, but while the processes run
                self.problems.append(f"what was written can't be read: {error}")
            period = _utc(begin - 1), _utc(time.time() + 1)
            try:
                self.problems += self._problems_after_run(sessions, killed_after, period)
                self.problems += self._written.changes()
            except OSError as error:  # for example, a path that is longer than the system allows
                self.problems.append(f"what was written can't be read: {error}")
            if self.problems:
                return
        self.problems += self._problems_at_the_end()
        if self._scenario.closed or self._scenario.kill:
            self.unsealed += self._written.check(sealed=True)

    def _problems_after_run(
        self, sessions: list[Session], killed_after: int | None, period: tuple[str, str]
    ) -> Iterator[str]:
        """Return the problems after a run. Acknowledged data is compared only if the directory is valid."""
        if self._scenario.unjudged:
            return
        if problems := self._written.check(killed=killed_after is not None):
            yield from problems
            return
        self.warnings = self._written.warnings
        yield from self._written.continuation_problems()
        for session in sessions:
            yield from session.missing(self._savedir, self._written, period, strict=not self._scenario.absent)
            if session.stream == f"{experiment_of(session.stream)}/log.jsonl":
                yield from self._written.end_problems(session.stream, session.others)
        refused = sum(session.unsure for session in sessions)
        yield from self._written.surplus_events([session.acknowledged for session in sessions], killed_after, refused)
        yield from self._written.equal_nonces()

    def _run_sessions(self, run: Run, drivers: list[Driver], sessions: list[Session], killed_after: int | None) -> None:
        """Do the steps of a run, the sessions in turn, and kill the driver after the step `killed_after`."""
        with ExitStack() as stack:
            self._stack = stack
            environment = {"TZ": _ZONE, **run.env}
            processes = [
                stack.enter_context(driver.write(self._savedir.path, environment, run.arguments)) for driver in drivers
            ]
            for step in range(max(len(session.steps) for session in sessions)):
                for process, session in zip(processes, sessions, strict=True):
                    if step != killed_after and session.has_step(step):
                        self._ask(process, session, session.steps[step])
                if step == killed_after:
                    self._kill(processes[0], sessions[0].steps[step])
                    return
                for process, session in zip(processes, sessions, strict=True):
                    if session.exits_at(step):
                        process.finish(None if session.steps[step]["do"]["how"] != "return" else 0)
                    elif session.has_step(step):
                        self._take_answer(session, step, process.answer())
                        if self._scenario.locked and session.is_open:
                            self.problems += lock_problems(self._savedir.path / session.stream)
            for process, session in zip(processes, sessions, strict=True):
                self.problems += session.calls.problems() if session.calls else ()
                if not session.exits_at(len(session.steps) - 1):
                    process.finish()
                self._check_warned(session)
            if len(sessions) > 1 and all(session.is_refused for session in sessions):
                self.problems.append("all writers that should work at the same time were refused")

    def _ask(self, process: Process, session: Session, step: Step) -> None:
        """Send the operation of a step, after what else happens to the directory before."""
        self._disturb(session, step)
        if step["do"]["op"] in ("close", "exit"):
            session.others = self._savedir.last_seqs(experiment_of(session.stream))
        self._limit(process, session, step)
        self._send(process, session, step)

    def _send(self, process: Process, session: Session, step: Step) -> None:
        """Send the operation of a step, and observe the experiment while the driver does it if the step says so."""
        operation = self._operation(step)
        if "watch" not in step:
            process.send(operation)
            return
        if step["watch"] == "line" and self._trace(process, session):
            process.send(operation)
            return
        content = bytes.fromhex(operation["hex"]) if operation["op"] == "attach" else None
        path = operation.get("path", operation.get("name") if operation["op"] == "create" else session.path)
        stream = self._savedir.path / (session.stream if path == session.path else f"{path}/log.jsonl")
        observer = Observer(self._savedir.path / path, stream, content)
        process.send(operation)
        watch = observer.watch_publication if step["watch"] == "publication" else observer.watch_line
        self.problems += watch(process)
        self.saw_middle |= observer.saw_middle

    def _trace(self, process: Process, session: Session) -> bool:
        """Return whether the calls of the driver are traced, which begins at the first step that asks for it."""
        if session.calls is None:
            try:
                session.calls = Calls(process.id, self._savedir.path / session.stream)
            except OSError:
                return False
            self._stack.callback(session.calls.stop)
            self.is_traced = True
        return True

    def _limit(self, process: Process, session: Session, step: Step) -> None:
        """Let the disk be full for the driver, after some bytes of the next line, or free again."""
        if "disk" not in step:
            return
        try:
            size = len(self._savedir.content(session.stream)) + _BYTES_LEFT if step["disk"] == "full" else None
            process.limit_files(size)
        except OSError as error:
            raise NotOnThisMachine(str(error)) from error

    def _kill(self, process: Process, step: Step) -> None:
        if self._scenario.kill == "asked":
            process.send(self._with_answers(step["do"]))
            time.sleep(self._rng.random() * _MAX_KILL_DELAY)
        process.kill()

    def _disturb(self, session: Session, step: Step) -> None:
        """Make the edits of a step, as another program does while the writer has its files open."""
        if "edits" not in step:
            return
        if step["edits"]:
            self.problems += self._written.continuation_problems()
            self._check_warned(session)
            before, content = session.stream, self._savedir.content(session.stream)
            seq = session.continue_in(step.get("then", {}).get("stream"))
            self._make_edits(self._written.disturb, step["edits"], "then" not in step)
            if "then" in step:
                self._written.expect(session.stream, before, content, seq, begins=step["then"]["begins"])
        if step["do"]["op"] != "close":  # before it closes, a writer always checks
            time.sleep(_CHECK_EXPIRES)

    @staticmethod
    def _make_edits(make: Callable[..., None], *arguments: Any) -> None:
        try:
            make(*arguments)
        except NotOnThisMachine:
            raise
        except SuiteError as error:
            raise Failed(f"a file that another program should change is missing: {error}") from error

    def _check_warned(self, session: Session) -> None:
        if self._scenario.told and session.is_warned is False:
            self.problems.append("another program changed the path of the stream, and the user was not warned")

    def _operation(self, step: Step) -> Any:
        """Return the operation of a step, with files that are as large as this attempt needs."""
        operation = self._with_answers(step["do"])
        if "watch" in step and "hex" in operation:
            operation["hex"] *= self._scale
        return operation

    def _with_answers(self, operation: Any) -> Any:
        """Return the operation with `$name` replaced by the answer to the step with that name."""
        return {
            name: self._answers[part[1:]] if isinstance(part, str) and part[:1] == "$" else part
            for name, part in operation.items()
        }

    def _take_answer(self, session: Session, number: int, answer: Answer) -> None:
        step = session.steps[number]
        if "as" in step:
            self._answers[step["as"]] = answer.get("seq", answer.get("path"))
        wanted = self._with_answers(step.get("answer", {}))
        for name, part in wanted.items():
            if answer.get(name) != part:
                self.problems.append(f"{shown_step(step)} was answered with {name} {answer.get(name)!r}, not {part!r}")
        problem = session.take_answer(number, self._operation(step), answer)
        if problem:
            self.problems.append(problem)

    def _problems_at_the_end(self) -> Iterator[str]:
        scenario, savedir = self._scenario, self._savedir
        if scenario.nothing and savedir.experiments():
            yield "an experiment exists, though its creation was refused"
        yield from (f"{name} was written outside of the directory" for name in savedir.files_outside())
        states = (scenario.state,) if isinstance(scenario.state, str) else scenario.state
        if states and (state := self._written.state("my_exp_1")) not in states:
            yield f"the state is {state}, not {' or '.join(states)}"
        yield from (f"{path} contains {text!r}" for text in scenario.absent for path in savedir.files_with(text))
        yield from self._written.rarely_sealed_streams()
        if scenario.records is not None and (records := savedir.records("my_exp_1")) != scenario.records:
            yield f"the experiment has {records} metadata records, not {scenario.records}"
        if scenario.listed:
            yield from savedir.unlisted_streams("my_exp_1", scenario.listed)
        if scenario.unlocked:
            yield from (f"{path} exists after the end" for path in savedir.lock_folders())
        if len(self._drivers) > 1:
            yield from self._read_differences()

    def _read_differences(self) -> Iterator[str]:
        """Return how the drivers read the experiments differently, if both of them have a reader."""
        paths = self._savedir.experiments()
        try:
            answers = [list(driver.ask("read", paths)) for driver in self._drivers]
        except Failed as error:
            yield f"an experiment was not read: {error}"
            return
        for path, one, other in zip(paths, *answers, strict=True):
            yield from (f"{path.name} was not read: {answer}" for answer in (one, other) if isinstance(answer, Failed))
            if isinstance(one, dict) and isinstance(other, dict):
                yield from (f"{path.name} is read differently: {what}" for what in answer_differences(one, other))


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
