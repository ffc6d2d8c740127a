"""One process of the driver: the steps that it gets, and what it acknowledges."""

import json
from collections.abc import Iterator
from typing import Any

from mlv_conformance._driver import Answer
from mlv_conformance._suite.scenarios import Step
from mlv_conformance._writers.acknowledged import missing_event, missing_file, missing_meta, wrong_values
from mlv_conformance._writers.calls import Calls
from mlv_conformance._writers.savedir import Savedir, experiment_of
from mlv_conformance._writers.written import WrittenTree


class Session:
    """The steps of one process, and what it acknowledged."""

    def __init__(self, steps: list[Step]) -> None:
        self.steps = steps
        self.acknowledged: list[tuple[str, dict[str, Any], Answer]] = []
        """The stream, the operation and the answer."""
        self.path = ""
        """The path in the savedir of the open experiment."""
        self._stream: str | None = "log.jsonl"
        self.is_refused = False
        self.calls: Calls | None = None
        """The calls of the driver, from the first step that watches its lines."""
        self.unsure = 0
        """How many events were refused while the disk was full: they may be kept later."""
        self.is_open = False
        """Whether the driver has a stream open."""
        self.others: dict[str, int] = {}
        """The other streams of the experiment with their last `seq`, just before `log.jsonl` was closed."""
        self.is_warned: bool | None = None
        """Whether the driver reported a warning since the last edits; None before the first edits."""

    @property
    def stream(self) -> str:
        """The path in the savedir of the open stream; the experiment's path if the stream isn't known."""
        return f"{self.path}/{self._stream}" if self._stream else self.path

    def continue_in(self, stream: str | None) -> int:
        """Expect the next events in another stream of the experiment.

        Acknowledged events of the stream so far are not checked anymore: they are compared as bytes, or lost.

        Args:
            stream: The stream; None for any stream.

        Returns:
            The last `seq` that was acknowledged in the stream so far.
        """
        answers = [answer for path, _, answer in self.acknowledged if path == self.stream]
        if stream is None or stream != self._stream:
            self._stream = stream
            opening = ("create", "resume", "open", "add")
            self.acknowledged = [one for one in self.acknowledged if one[1]["op"] in opening]
        self.is_warned = False
        return max((answer["seq"] for answer in answers if "seq" in answer), default=0)

    def has_step(self, number: int) -> bool:
        """Return whether there is a step with this number to run, in which the process doesn't wait."""
        return number < len(self.steps) and "do" in self.steps[number] and not self.is_refused

    def exits_at(self, number: int) -> bool:
        """Return whether the program ends at the step with this number, so that the step has no answer."""
        return self.has_step(number) and self.steps[number]["do"]["op"] == "exit"

    def take_answer(self, number: int, operation: dict[str, Any], answer: Answer) -> str | None:
        """Take the answer to a step, and return what is wrong with it."""
        step = self.steps[number]
        if self.is_warned is False:
            self.is_warned = bool(answer.get("told")) or isinstance(answer.get("refused"), str)
        if isinstance(answer.get("refused"), str):
            if step.get("may") == "refused" or step.get("may") and operation["op"] in ("create", "resume", "open"):
                self.is_refused = True
            elif "disk" in step:
                self.unsure += 1
            elif not step.get("refused") and step.get("may") != "differ":
                return f"{shown_step(step)} was refused: {answer['refused'][:200]!r}"
            return None
        if step.get("refused"):
            return f"{shown_step(step)} was not refused"
        op = operation["op"]
        self.is_open = op != "close"
        if op == "create":
            self.path = "/".join(filter(None, [operation.get("in"), operation["name"]]))
        elif op in ("resume", "open"):
            self.path = operation["path"]
            self._stream = "log.jsonl" if op == "resume" else str(answer.get("stream"))
        elif op not in ("add", "attach", "close") and type(answer.get("seq")) is not int:
            return f"{shown_step(step)} was not acknowledged with a seq: {json.dumps(answer)[:200]}"
        if step.get("may") == "differ":
            operation = {"op": op, "differs": True}
        self.acknowledged.append((self.stream, operation, answer))
        return None

    def missing(
        self, savedir: Savedir, written: WrittenTree, period: tuple[str, str], *, strict: bool
    ) -> Iterator[str]:
        """Return what isn't stored as it was acknowledged.

        Args:
            savedir: The directory that was written.
            written: The changes of this run in the directory.
            period: The times between which the session ran.
            strict: Whether parameters must be stored exactly as they were given.
        """
        given: dict[str, dict[str, Any]] = {"params": {}, "extra": {}}
        for stream, operation, answer in self.acknowledged:
            match operation["op"]:
                case _ if "differs" in operation:
                    pass
                case "create" | "resume" | "open" | "add":
                    if not written.is_removed(stream):
                        yield from missing_meta(savedir, stream, operation, answer, strict=strict)
                    if operation["op"] != "add":
                        given = {"params": {}, "extra": {}}
                    for member, values in given.items():
                        values |= operation.get(member, {"object": {}})["object"]
                case "attach":
                    experiment = experiment_of(stream)
                    content, streams = bytes.fromhex(operation["hex"]), written.own_streams(experiment)
                    yield from missing_file(savedir, experiment, streams, answer.get("path"), content)
                case "close":
                    pass
                case _ if not stream.endswith(".jsonl"):
                    problems = [
                        list(missing_event(savedir, one, operation, answer["seq"], period))
                        for one in written.own_streams(stream)
                    ]
                    if all(problems):
                        yield f"the event {answer['seq']} was acknowledged and is in no stream of {stream}"
                case _:
                    wrong = list(missing_event(savedir, stream, operation, answer["seq"], period))
                    if not wrong and strict:
                        wrong += wrong_values(savedir, stream, answer["seq"], given)
                    yield from wrong


def shown_step(step: Step) -> str:
    """Return a step for a message."""
    return f"the operation {json.dumps(step['do'])[:150]}"
