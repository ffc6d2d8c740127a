"""The handler for `logging`: every record is an event, whatever is in it, and none hangs or recurs."""

import dataclasses
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import Exp, Redacted, read
from mlvlogger.integrations.logging import MLVHandler
from program import program

logger = logging.getLogger("tests.data")


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    logging.captureWarnings(False)
    for name in ("tests.data", "py.warnings"):
        for handler in list(logging.getLogger(name).handlers):
            logging.getLogger(name).removeHandler(handler)


def records() -> list[dict[str, Any]]:
    return [event.data for event in read("runs/e").events("record", stream="logging")]


def test_a_record_is_an_event_with_its_extra_fields(conforms: Callable[..., Any]) -> None:
    with Exp("runs", "e") as exp:
        logger.addHandler(MLVHandler(exp))
        logger.warning("%d rows", 3, extra={"file": Path("a.csv"), "n": 5, "api_key": "hunter2"})
        line = test_a_record_is_an_event_with_its_extra_fields.__code__.co_firstlineno + 3
    (record,) = records()
    assert record.pop("extra")["n"] == 5
    assert record == {
        "logger": "tests.data",
        "level": "WARNING",
        "message": "3 rows",
        "where": f"test_logging_handler.py:{line}",
    }
    conforms("runs/e", sealed=True)
    assert "hunter2" not in Path("runs/e/log/logging.jsonl").read_text()


def test_an_exception_and_a_stack_are_recorded() -> None:
    with Exp("runs", "e") as exp:
        logger.addHandler(MLVHandler(exp))
        try:
            raise ValueError("no")
        except ValueError:
            logger.exception("it failed", stack_info=True)
        logger.error("nothing is raised", exc_info=True)
    failed, other = records()
    assert (failed["exception"]["type"], failed["exception"]["message"]) == ("ValueError", "no")
    assert 'raise ValueError("no")' in failed["exception"]["traceback"]
    assert failed["stack"].startswith("Stack (most recent call last):")
    assert set(other) == {"logger", "level", "message", "where"}


def test_level_and_filters_count_and_the_stream_can_be_chosen() -> None:
    with Exp("runs", "e") as exp:
        handler = MLVHandler(exp, "ERROR", stream="messages")
        handler.addFilter(lambda record: "skip" not in record.getMessage())
        logger.addHandler(handler)
        logger.warning("below")
        logger.error("skip")
        logger.error("kept")
    assert [event.data["message"] for event in read("runs/e").events(stream="messages")] == ["kept"]


def test_extra_is_recorded_like_params() -> None:
    @dataclasses.dataclass
    class Login:
        user: str = "a"
        password: str = "hunter2"

    with Exp("runs", "e") as exp, warnings.catch_warnings():
        warnings.simplefilter("error")
        logger.addHandler(MLVHandler(exp))
        logger.warning("odd", extra={"counts": {0: 1, None: 2}, "kind": Login, "login": Login()})
    kind = f"{__name__}.{Login.__qualname__}"
    login = {"user": "a", "password": Redacted()}
    assert records()[0]["extra"] == {"counts": {"0": 1, "null": 2}, "kind": kind, "login": login}


def test_lines_that_look_like_secrets_are_not_logged() -> None:
    with Exp("runs", "e") as exp:
        logger.addHandler(MLVHandler(exp))
        logger.warning("login\npassword=hunter2\nok")
    assert records()[0]["message"] == "login\n<redacted>\nok"


def test_a_message_that_cannot_be_formatted_goes_to_handleerror(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logger, "propagate", False)  # pytest has a handler whose handleError raises
    with Exp("runs", "e") as exp:
        logger.addHandler(MLVHandler(exp))
        logger.warning("%d", "no number")
        logger.warning("after")
    assert [record["message"] for record in records()] == ["after"]
    assert "--- Logging error ---" in capsys.readouterr().err


def test_a_record_after_the_end_is_left_to_other_handlers(capsys: pytest.CaptureFixture[str]) -> None:
    with Exp("runs", "e") as exp:
        logger.addHandler(MLVHandler(exp))
    logger.warning("late")
    assert (records(), capsys.readouterr().err) == ([], "")


def test_captured_warnings_are_recorded_and_those_of_the_logger_itself_do_not_recur() -> None:
    class Odd:
        """What a record cannot hold, which is warned of."""

    with Exp("runs", "e") as exp:
        logging.getLogger("py.warnings").addHandler(MLVHandler(exp))
        logger.addHandler(logging.getLogger("py.warnings").handlers[0])
        logging.captureWarnings(True)
        warnings.simplefilter("always")
        warnings.warn("mind this", UserWarning, stacklevel=1)
        exp.log.event("odd", value=Odd())
        logger.warning("odd", extra={"odd": Odd()})
    messages = [record["message"] for record in records()]
    assert len(messages) == 3 and messages[2] == "odd"
    assert "UserWarning: mind this" in messages[0] and "data.value: the value is of type" in messages[1]


@pytest.mark.slow
def test_threads_that_log_and_warn_at_once_on_a_full_disk_lose_nothing(run: Callable[..., Any]) -> None:
    done = run(program("logging_handler_threads"))
    assert done.stdout == ""
    run_of = read("runs/e")
    assert sum(1 for _ in run_of.events("n", stream="logging")) == 600
    assert len([record for record in records() if record["message"].isdecimal()]) == 600


def test_a_thread_that_holds_a_stream_and_logs_does_not_wait_for_one_that_waits_for_the_stream() -> None:
    """Like a handler that must warn of a full disk, with `logging.captureWarnings`."""
    with Exp("runs", "e") as exp:
        logger.addHandler(MLVHandler(exp))
        other = threading.Thread(target=logger.error, args=["other"])
        with exp.stream("logging")._stream._gate.lock:
            other.start()
            other.join(0.3)
            assert other.is_alive()  # it waits
            logger.error("holder")
        other.join()
    assert [record["message"] for record in records()] == ["holder", "other"]


def test_an_event_that_logs_itself_does_not_recur() -> None:
    class Chatty:
        def __repr__(self) -> str:
            logger.warning("asked")
            return "chatty"

    with Exp("runs", "e") as exp:
        logger.addHandler(MLVHandler(exp))
        with pytest.warns(RuntimeWarning, match="is of type"):
            logger.warning("hello", extra={"who": Chatty()})
    assert [record["message"] for record in records()] == ["hello"]
