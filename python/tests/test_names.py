"""Hostile names and planted links: whatever they are, nothing outside of the experiment is made, changed or read."""

import contextlib
import inspect
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlvlogger import Exp, InvalidName, MLVError, read
from mlvlogger._messages import a_type
from program import program

HOME = Path("runs/e")


def tree(root: Path) -> dict[str, bytes | str | None]:
    """Every entry below *root* with what is in it; links are not followed."""
    found: dict[str, bytes | str | None] = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = Path(folder, name)
            if path.is_symlink():
                found[str(path)] = "->" + os.readlink(path)
            else:
                found[str(path)] = path.read_bytes() if path.is_file() else None
    return found


class Lying(str):
    """Is one text, and formats itself as another."""

    def __str__(self) -> str:
        return "../../outside/x"

    def __format__(self, form: str) -> str:
        return "../../outside/x"

    def __add__(self, other: str) -> str:
        return "../../outside/x"

    def __radd__(self, other: str) -> str:
        return "../../outside/x"

    def __fspath__(self) -> str:
        return "../../outside/x"

    def split(self, *_: Any) -> list[str]:
        return ["ok"]

    def encode(self, *_: Any) -> bytes:
        return b"ok"


class Unspeakable:
    """No string, though it says so, and no text to be had."""

    __class__ = str  # type: ignore[assignment]

    def __repr__(self) -> str:
        raise ZeroDivisionError


NAMES: list[Any] = [
    *("../x", "../../outside/x", "..", ".", "", "/x", "//x", "./x", "x/..", "x/../..", "x/../../y", "x//y", "x/", "/"),
    *("files/../../x", "../e2", "..\\x", "x\\y", "\\\\host\\share", "C:\\x", "C:x", "c:/x", "\\x", "~", "~root", "~/x"),
    *("x\0y", "\0", "x\ny", "x\ry", "x\ty", "\x1b[31mx", "\x7f", "x\x85y", "x\u2028y", " ", " x", "x ", "x.", "x. "),
    *("CON", "nul", "nul.txt", "Com1.log", "aux.", "-rf", "--help", "-", "%2e%2e", "%2e%2e%2fx", "x:y", "x:$DATA"),
    *("x*", "x?", "<x>", "x|y", '"x"', "`id`", "$(id)", "$HOME", "x;y", "x'y", "x" * 101, "x" * 256, "x" * 5000),
    *("\u202ex", "x\u200fy", "\ufeffx", "ä", "a\u0308", "\U0001f600", "／x", "x․․y", "\udcff", "\ud800", "x\udfffy"),
    *(".hidden", ".mlv-x", ".git", "_x", "x/.mlv-y", "x/CON/y", "x/y./z", "x/ y", "mlv/"),
    *(None, 5, 5.0, True, b"x", b"../x", ["x"], ("x",), {"x": 1}, Path("../x"), object(), Unspeakable()),
]


@pytest.fixture(autouse=True)
def _direct(_writer: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes a stream, it is opened here; to start a process for each of thousands would take minutes."""
    calls: Any = (Exp.__init__, Exp.resume, Exp.open, Exp.join)
    for call in calls:
        monkeypatch.setitem(inspect.unwrap(getattr(call, "__func__", call)).__kwdefaults__, "writer", "direct")


@pytest.fixture
def exp(tmp_path: Path) -> Exp:
    Path("outside").mkdir()
    Path("outside/x").write_text("theirs")
    Path("x").write_text("theirs")
    Path("source").write_text("ours")
    experiment = Exp("runs", "e")
    experiment.log.event("before")
    return experiment


def made(call: Callable[[], Any]) -> Any:
    with call() as new:
        return new


CALLS: dict[str, Callable[[Exp, Any], Any]] = {
    "Exp-name": lambda exp, name: made(lambda: Exp("runs", name)),
    "Exp-name-number": lambda exp, name: made(lambda: Exp("runs", name, exists="number")),
    "Exp-name-resume": lambda exp, name: made(lambda: Exp("runs", name, exists="resume")),
    "Exp-kind": lambda exp, name: made(lambda: Exp("runs", "k", kind=name)),
    "sub-name": lambda exp, name: made(lambda: exp.sub(name, kind="k")),
    "sub-kind": lambda exp, name: made(lambda: exp.sub("s", kind=name)),
    "stream": lambda exp, name: exp.stream(name).event("x"),
    "open-stream": lambda exp, name: made(lambda: Exp.open(HOME, stream=name)),
    "join-rank": lambda exp, name: made(lambda: Exp.join(HOME, name if name is not None else "5")),  # type: ignore[arg-type]
    "rewind": lambda exp, name: exp.rewind({name if not isinstance(name, (list, dict)) else str(name): 0}),
    "rewind-stream": lambda exp, name: exp.rewind({f"log/{name}.jsonl": 0}),
    "attach": lambda exp, name: exp.attach("source", name if name is not None else 5),  # type: ignore[arg-type]
    "create": lambda exp, name: made(lambda: exp.create(name)),
    "create-text": lambda exp, name: made(lambda: exp.create(name, "w")),
    "event": lambda exp, name: exp.log.event(name),
    "span": lambda exp, name: exp.log.span(name).end(),
    "sub": lambda exp, name: exp.log.sub(name).event("x"),
    "tag": lambda exp, name: made(lambda: Exp("runs", "t", tags=[name])),
    "description": lambda exp, name: made(lambda: Exp("runs", "d", description=name)),
    "param": lambda exp, name: made(lambda: Exp("runs", "p", {"name": name})),
    "reason": lambda exp, name: exp.log.pause(name),
    "read-stream": lambda exp, name: list(read(HOME).events(stream=name)),
    "ref": lambda exp, name: exp.ref(name),
}
# These take a description, or a path that is only read.
TEXTS = {"event", "span", "sub", "tag", "description", "param", "reason", "read-stream", "ref"}


def test_the_tables_are_large_enough() -> None:
    assert len(NAMES) >= 60 and len({ascii(name) for name in NAMES[:-1]}) == len(NAMES) - 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:params.name")
@pytest.mark.parametrize("call", CALLS)
def test_a_hostile_name_is_refused_clearly_or_is_harmless_data(call: str, exp: Exp, conforms: Any) -> None:
    for name in NAMES:
        # A rank is a number; and what a stream is called in a mark, or for a reader, is a string, or nothing.
        if (call == "join-rank" and name in (None, 5)) or (call.endswith("-stream") and type(name) is not str):
            continue
        before = tree(Path())
        try:
            CALLS[call](exp, name)
        except (MLVError, ValueError, TypeError, OSError) as error:
            message = str(error)
            # The value, if it can be shown; and on one line, without a command for a terminal.
            assert message.isprintable() and len(message) < 6000, (name, message)
            if call not in TEXTS and type(name) is str:
                assert isinstance(error, (InvalidName, ValueError)), (name, error)
                assert repr(name)[1:50] in message or call in ("join-rank", "rewind", "rewind-stream"), (name, message)
            after = tree(Path())
            assert after == before or call in TEXTS, (name, set(after) ^ set(before))
        else:
            assert call in TEXTS or name is None, f"{name!r} was taken"
            after = tree(Path())
        changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
        places = ("runs/e/", "runs/t", "runs/d", "runs/p", "runs/2" if name is None else "runs/e/")  # 2: of a year
        assert all(path.startswith(places) for path in changed), (name, changed)
        for made_here in ("t", "d", "p"):
            if Path("runs", made_here, "meta.json").exists():
                conforms(Path("runs", made_here), sealed=True)
                for path in sorted(Path("runs", made_here).rglob("*"), reverse=True):
                    path.unlink()
                Path("runs", made_here).rmdir()
    assert exp.log.event("after") is not None
    exp.log.resume()
    exp.close()
    conforms(HOME, sealed=True)
    assert Path("x").read_text() == Path("outside/x").read_text() == "theirs"


@pytest.mark.parametrize("call", sorted(set(CALLS) - {"rewind", "rewind-stream", "join-rank", "read-stream", "ref"}))
def test_a_string_that_formats_itself_as_another_is_used_by_its_characters(call: str, exp: Exp, conforms: Any) -> None:
    """As a member of an enumeration of strings does, and as a hostile one may, to leave the directory."""
    before = tree(Path("outside"))
    CALLS[call](exp, Lying("ok"))
    exp.log.resume()
    exp.close()
    assert tree(Path("outside")) == before and sorted(os.listdir()) == ["outside", "runs", "source", "x"]
    conforms(HOME, sealed=True)
    names = {path.stem for path in Path("runs").rglob("*")} | {event.name for event in read(HOME).events()}
    assert "ok" in names or "ok/x" in names or call in ("Exp-kind", "tag", "description", "param", "reason")
    assert b"outside" not in b"".join(path.read_bytes() for path in Path("runs").rglob("*.json*"))


@pytest.mark.parametrize("kind", ["Files", "META", "lOg"])
def test_a_reserved_folder_name_in_other_case_is_refused_as_the_kind_of_a_sub_experiment(kind: str, exp: Exp) -> None:
    """Where the file system ignores case, it is that folder."""
    with pytest.raises(InvalidName, match="a folder of the experiment runs/e that is for its record"):
        exp.sub("s", kind=kind)
    assert not (HOME / kind).exists()
    exp.close()


@pytest.mark.parametrize("rank", [10**16, -1, "1", 1.0, True, None, 10**5000], ids=lambda rank: str(type(rank)))
def test_a_rank_that_is_not_a_small_number_is_refused(rank: Any, exp: Exp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1" * 5000)
    before = tree(Path())
    with pytest.raises(ValueError, match="rank is|the environment's RANK is") as caught:
        Exp.join(HOME, rank)
    assert tree(Path()) == before and len(str(caught.value)) < 2000
    exp.close()


PLACES = ["meta.json", "meta", "meta/2.json", "log.jsonl", "log", "log/x.jsonl", "log/run-2.jsonl", "log/fork-1.jsonl"]
PLACES += ["log/rank-1.jsonl", "files", "files/x", "files/d", "files/uncommitted.diff", "k/s/meta.json"]


def resume() -> None:
    with Exp.resume(HOME, {"b": 1}) as exp:
        exp.log.event("x")


def open_run() -> None:
    with Exp.open(HOME, {"b": 1}) as exp:
        exp.log.event("x")


def open_stream() -> None:
    with Exp.open(HOME, stream="x") as exp:
        exp.log.event("x")


def join() -> None:
    with Exp.join(HOME, 1, timeout=0) as exp:
        exp.log.event("x")


def inside(call: Callable[[Exp], Any]) -> Callable[[], None]:
    def run() -> None:
        with Exp.open(HOME, stream="inside") as exp:
            call(exp)

    return run


def create(exp: Exp) -> None:
    with exp.create("x") as file:
        file.write(b"x")
    with exp.create("d/x", "w") as text:
        text.write("x")


DEEDS: dict[str, Callable[[], Any]] = {
    "make": lambda: Exp("runs", "e").close(),
    "make-number": lambda: Exp("runs", "e", exists="number").close(),
    "make-resume": lambda: Exp("runs", "e", exists="resume").close(),
    "resume": resume,
    "open": open_run,
    "open-stream": open_stream,
    "join": join,
    "stream": inside(lambda exp: exp.stream("x").event("x")),
    "attach": inside(lambda exp: [exp.attach("source", name) for name in ("x", "d/x")]),
    "attach-linked": inside(lambda exp: exp.attach("source", "x", how="hardlink")),
    "create": inside(create),
    "sub": inside(lambda exp: exp.sub("s", kind="k").close()),
    "read": lambda: [list(read(HOME).events(stream=stream)) for stream in read(HOME).streams],
}


@pytest.mark.rule("writer.links")
@pytest.mark.slow
@pytest.mark.parametrize("target", ["file", "folder", "nothing", "itself"])
@pytest.mark.parametrize("place", PLACES)
def test_a_planted_link_is_not_followed(place: str, target: str, tmp_path: Path) -> None:
    """The link's target is neither created, nor changed, nor taken for a part of the record."""
    for number, (deed, call) in enumerate(DEEDS.items()):
        home = tmp_path / f"{number}"
        home.mkdir()
        os.chdir(home)
        Path("source").write_text("ours")
        with Exp("runs", "e", {"a": 1}) as exp:
            exp.log.event("x")
            exp.stream("y").event("x")
        Path("outside/folder").mkdir(parents=True)
        for name in ("file", "folder/2.json", "folder/x.jsonl", "folder/x", "folder/meta.json"):
            content = Path("runs/e/meta.json" if name.endswith("json") else "runs/e/log.jsonl").read_bytes()
            Path("outside", name).write_bytes(content)
        planted = HOME / place
        if planted.is_file():
            planted.rename("moved")
        elif planted.is_dir():
            planted.rename("moved")
        planted.parent.mkdir(parents=True, exist_ok=True)
        planted.symlink_to(planted.name if target == "itself" else Path("outside", target).resolve())
        before, link = tree(Path("outside")), os.readlink(planted)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                call()
            except (MLVError, OSError) as error:
                assert not str(error).startswith("[Errno") or "log" in place or place == "meta.json", (deed, error)
        assert tree(Path("outside")) == before, deed
        assert planted.is_symlink() and os.readlink(planted) == link, deed


SWAP = program("names_swap")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of logs that are away
def test_links_that_appear_and_disappear_are_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begin: Any
) -> None:
    """Another process swaps the experiment's folders for links, as fast as it can, while the logger writes."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)  # it is slow, and not what this is about
    exp = Exp("runs", "e")
    Path("source").write_text("ours")
    (tmp_path / "outside").mkdir()
    swapper = begin(SWAP, HOME, tmp_path / "outside")
    assert swapper.stdout.readline() == "swapping\n"
    calls: list[Callable[[int], Any]] = [
        lambda number: exp.stream(f"s{number}").close(),
        lambda number: exp.attach("source", f"{number}"),
        lambda number: exp.attach("source", f"d/{number}"),
        lambda number: exp.create(f"d/n{number}").close(),
        lambda number: Exp.open(HOME, {f"p{number}": 1}).close() if number % 10 == 0 else None,
    ]
    tries = 0
    try:
        for number in range(500):
            for call in calls:
                tries += 1
                with contextlib.suppress(MLVError, OSError):
                    call(number)
    finally:
        print("stop", file=swapper.stdin, flush=True)
    swaps = int(swapper.stdout.readline())
    exp.close()
    assert tries == 2500 and swaps > 100
    assert os.listdir(tmp_path / "outside") == []


@pytest.mark.parametrize(
    ("value", "words"), [(5, "an int"), (0.5, "a float"), ({}, "a dict"), (Exp, "a type"), (object(), "an object")]
)
def test_the_type_of_a_value_has_its_article(value: object, words: str) -> None:
    assert a_type(value) == words
