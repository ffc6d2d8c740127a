"""`mlv cite`, `mlv sign` and `mlv verify`, with the real ssh-keygen and real keys."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlv_validate import make_statement
from mlvlogger import Exp

PAGE = Path(__file__).parents[2] / "docs/how-to/citing.md"

if shutil.which("ssh-keygen") is None and "MLV_REQUIRE_ALL" not in os.environ:
    pytest.skip("needs ssh-keygen, of the Debian package openssh-client", allow_module_level=True)

Mlv = Callable[..., str]


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """An experiment with all kinds of records, that has ended."""
    (tmp_path / "cm.png").write_bytes(b"picture")
    with Exp(tmp_path, "demo", {"lr": 0.25}) as exp:
        exp.log.event("batch", loss=0.5)
        exp.stream("gpu").event("memory", used=1)
        exp.attach(tmp_path / "cm.png")
        with exp.sub("pruned", {"ratio": 0.5}) as sub:
            sub.log.event("batch", loss=0.25)
    with Exp.open(exp.path, {"split": "test"}, stream="evaluate") as further:
        further.log.event("accuracy", value=0.75)
    return exp.path


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with the keys of ada, bob and eve, and the file `signers`, which allows ada and bob."""
    folder = tmp_path / "keys"
    folder.mkdir()
    for name in ("ada", "bob", "eve"):
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)]
        subprocess.run(make, check=True, stdin=subprocess.DEVNULL)
    lines = [
        f'{name}@example.org namespaces="mlv-statement" {(folder / f"{name}.pub").read_text()}'
        for name in ("ada", "bob")
    ]
    (folder / "signers").write_text("".join(lines))
    return folder


def anchor_in(citation: str) -> str:
    [anchor] = re.findall(r"sha256:[0-9a-f]{64}", citation)
    return str(anchor)


def test_a_citation_covers_every_record_and_is_verified(mlv: Mlv, demo: Path) -> None:
    (demo / "model.pt").write_text("weights")
    citation = mlv("cite", "demo")
    assert re.fullmatch(
        r"demo \(MLV sha256:[0-9a-f]{64}, 20[0-9-]{8}, completed, 10 events, 1 sub-experiment\)\n", citation
    )
    raw = (demo / "mlv-statement.txt").read_bytes()
    assert anchor_in(citation) == f"sha256:{hashlib.sha256(raw).hexdigest()}" and raw == make_statement(demo).raw
    verified = mlv("verify", "demo", "--anchor", anchor_in(citation))
    assert verified.startswith(
        "unchanged: everything that the statement covers: experiment/pruned/log.jsonl up to seq 3,"
    )
    (demo / "mlv-statement.txt").unlink()
    assert mlv("verify", "demo", "--anchor", anchor_in(citation).removeprefix("sha256:")) == verified


def test_cite_lists_the_files_of_the_user_that_it_cannot_cover(mlv: Mlv, demo: Path, tmp_path: Path) -> None:
    (demo / "checkpoints").mkdir()
    (demo / "checkpoints/last\x1b.pt").write_text("weights")
    (demo / "model.pt").write_text("weights")
    (demo / "files/data").symlink_to(tmp_path)
    (demo / ".mlv-x").write_text("temporary")
    done = subprocess.run([sys.executable, "-m", "mlv_tools", "cite", demo], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[1:] == [
        "not covered, because they are not attached files:",
        "  model.pt",
        "  checkpoints/last\\x1b.pt",
        "  files/data",
    ]
    again = subprocess.run(
        [sys.executable, "-m", "mlv_tools", "cite", demo], capture_output=True, text=True, check=True
    )
    assert again.stderr.startswith(f"found {demo}/mlv-statement.txt: covers 8 files, ") and again.stdout == done.stdout


def test_what_is_open_or_unsealed_is_cited_only_if_asked(mlv: Mlv, tmp_path: Path) -> None:
    exp = Exp(tmp_path, "open")
    exp.log.event("batch", loss=0.5)
    exp.flush()
    refused = mlv("cite", "open", exit=1)
    assert "open can't be cited, because a part of it isn't sealed:\n  log.jsonl: the last line is 'batch'" in refused
    assert "pass --unsealed" in refused and not list((tmp_path / "open").glob("mlv-statement*"))
    anchor = anchor_in(mlv("cite", "open", "--unsealed"))
    exp.log.event("batch", loss=0.25)
    exp.close()
    assert mlv("verify", "open", "--anchor", anchor, exit=4).splitlines() == [
        "continued: log.jsonl: unchanged up to seq 2, 2 later lines not covered",
        "unchanged: everything that the statement covers: log.jsonl up to seq 2",
    ]


def test_an_open_sub_experiment_and_an_open_further_stream_are_named(mlv: Mlv, demo: Path) -> None:
    with Exp.open(demo, stream="late") as exp:
        exp.log.event("x")
        exp.flush()
        assert "  log/late.jsonl: the last line is 'x', not a seal" in mlv("cite", "demo", exit=1)
    sub = Exp.open(demo).sub("other")
    sub.flush()
    refused = mlv("cite", "demo", exit=1)
    assert "experiment/other" in refused
    sub.close()


def test_an_invalid_experiment_is_not_cited(mlv: Mlv, demo: Path) -> None:
    with (demo / "log.jsonl").open("ab") as file:
        file.write(b"#\n")
    refused = mlv("cite", "demo", "--unsealed", exit=1)
    assert "demo can't be cited, because it isn't valid:\n  log.jsonl: json.syntax: " in refused
    assert "mlv-validate demo" in refused


def test_a_statement_is_never_changed(mlv: Mlv, demo: Path) -> None:
    first = mlv("cite", "demo")
    Exp.resume(demo).close()
    second = mlv("cite", "demo")
    third = mlv("cite", "demo", "-o", "elsewhere.txt")
    assert sorted(path.name for path in demo.glob("mlv-*")) == ["mlv-statement-2.txt", "mlv-statement.txt"]
    assert third == second != first
    Exp.resume(demo).close()
    assert "elsewhere.txt exists and has other bytes" in mlv("cite", "demo", "-o", "elsewhere.txt", exit=1)
    for citation in (first, second):
        assert "later lines not covered" in mlv("verify", "demo", "--anchor", anchor_in(citation), exit=4)


def test_every_change_is_found(mlv: Mlv, demo: Path, tmp_path: Path) -> None:
    """One byte of each file of the record; the tests of mlv_validate repair all digests, too."""
    anchor = anchor_in(mlv("cite", "demo"))
    names = [file.path for file in make_statement(demo).files]
    assert len(names) == 8
    for name in names:
        shutil.copytree(demo, tmp_path / "copy")
        path = tmp_path / "copy" / name
        raw = path.read_bytes()
        path.write_bytes(raw[:20] + bytes([raw[20 % len(raw)] ^ 1]) + raw[21:] if len(raw) > 20 else raw[:-1] + b"X")
        assert f"changed: {name}: the digest" in mlv("verify", "copy", "--anchor", anchor, exit=1)
        path.unlink()
        assert f"removed: {name}: there is no such file" in mlv("verify", "copy", "--anchor", anchor, exit=1)
        shutil.rmtree(tmp_path / "copy")


def test_what_was_added_is_not_covered(mlv: Mlv, demo: Path) -> None:
    anchor = anchor_in(mlv("cite", "demo"))
    mlv("note", "demo", "better than the paper says")
    printed = mlv("verify", "demo", "--anchor", anchor, exit=4)
    assert "not covered: meta/3.json\n" in printed and "not covered: log/run-3.jsonl\n" in printed
    assert "unchanged: everything that the statement covers: " in printed and "continued" not in printed


def test_a_seal_is_an_anchor_too(mlv: Mlv, demo: Path) -> None:
    seal = json.loads((demo / "log.jsonl").read_bytes().splitlines()[-1])["data"]["sha256"]
    printed = mlv("verify", "demo", "--anchor", seal, exit=4)
    assert "not covered: log/evaluate.jsonl" in printed and "unchanged: everything that the seal covers" in printed
    gpu = demo / "log/gpu.jsonl"
    gpu.write_bytes(gpu.read_bytes().replace(b'"used":1', b'"used":2'))
    assert "changed: log/gpu.jsonl:3: the digest of bytes" in mlv("verify", "demo", "--anchor", seal, exit=1)


def test_another_experiment_is_not_the_cited_one(mlv: Mlv, demo: Path, tmp_path: Path) -> None:
    anchor = anchor_in(mlv("cite", "demo"))
    Exp(tmp_path, "other").close()
    assert mlv("verify", "other", "--anchor", anchor, exit=1).startswith("not the cited experiment: no statement")
    id_ = hashlib.sha256((demo / "meta.json").read_bytes()).hexdigest()
    assert "the anchor is the id of an experiment" in mlv("verify", "demo", "--anchor", id_, exit=1)
    Exp.resume(demo).close()
    mlv("cite", "demo")
    wrong = mlv("verify", "demo", "--anchor", anchor, "--statement", "demo/mlv-statement-2.txt", exit=1)
    assert "isn't the statement that was cited" in wrong


def test_a_signature_is_verified(mlv: Mlv, demo: Path, keys: Path) -> None:
    citation = mlv("sign", "demo", "--key", keys / "ada")
    assert (demo / "mlv-statement.txt.sig").read_text().startswith("-----BEGIN SSH SIGNATURE-----")
    printed = mlv("verify", "demo", "--allowed-signers", keys / "signers", "--signer", "ada@example.org")
    assert re.match(
        r"good signature: demo/mlv-statement\.txt\.sig: ada@example\.org, with ED25519 SHA256:\S+\nunchanged: ", printed
    )
    assert mlv("verify", "demo", "--allowed-signers", keys / "signers") == printed
    assert mlv("verify", "demo", "--allowed-signers", keys / "signers", "--anchor", anchor_in(citation)) == printed
    assert mlv("sign", "demo", "--key", keys / "ada") == citation
    assert len(list(demo.glob("*.sig"))) == 1


def test_several_sign_the_same_statement(mlv: Mlv, demo: Path, keys: Path) -> None:
    for name in ("eve", "ada", "bob"):
        mlv("sign", "demo", "--key", keys / name)
    assert sorted(path.name for path in demo.glob("*.sig")) == [
        f"mlv-statement.txt{number}.sig" for number in (".2", ".3", "")
    ]
    for name in ("ada", "bob"):
        printed = mlv("verify", "demo", "--allowed-signers", keys / "signers", "--signer", f"{name}@example.org")
        assert f": {name}@example.org, with " in printed


def test_each_problem_of_a_signature_has_its_message_and_code(mlv: Mlv, demo: Path, keys: Path) -> None:
    trust = ("--allowed-signers", keys / "signers")
    assert mlv("verify", "demo", *trust, exit=7).startswith("no signature: there is no statement.")
    anchor = anchor_in(mlv("cite", "demo"))
    assert mlv("verify", "demo", exit=7).startswith("no signature: demo/mlv-statement.txt has no .sig file next to it.")
    assert mlv("verify", "demo", *trust, "--anchor", anchor, exit=7).startswith("no signature: ")
    mlv("sign", "demo", "--key", keys / "eve")
    assert mlv("verify", "demo", *trust, exit=6).startswith("unknown signer: demo/mlv-statement.txt.sig was made with")
    assert "is compared with no signers: pass --allowed-signers" in mlv("verify", "demo", exit=6)
    wrong = mlv("verify", "demo", *trust, "--signer", "ada@example.org", exit=5)
    assert wrong.startswith("wrong key: demo/mlv-statement.txt.sig was made with ED25519 SHA256:")
    assert mlv("verify", "demo", *trust, "--signer", "carl@example.org", exit=6).startswith("unknown signer: ")
    mlv("sign", "demo", "--key", keys / "ada")
    statement = demo / "mlv-statement.txt"
    statement.write_bytes(statement.read_bytes().replace(b" log/gpu.jsonl\n", b" log/gpv.jsonl\n"))
    printed = mlv("verify", "demo", *trust, exit=1)
    assert printed.count("bad signature: ") == 2 and "removed: log/gpv.jsonl: " in printed
    statement.write_bytes(make_statement(demo).raw)
    assert mlv("verify", "demo", *trust).startswith("unknown signer: ")  # that of eve; that of ada is good


def test_a_changed_file_is_found_under_a_good_signature(mlv: Mlv, demo: Path, keys: Path) -> None:
    mlv("sign", "demo", "--key", keys / "ada")
    raw = (demo / "files/cm.png").read_bytes()
    (demo / "files/cm.png").write_bytes(raw[:-1] + b"X")
    printed = mlv("verify", "demo", "--allowed-signers", keys / "signers", exit=1)
    assert printed.startswith("good signature: ") and "changed: files/cm.png: the digest" in printed
    (demo / "files/cm.png").write_bytes(raw)
    Exp.resume(demo).close()
    printed = mlv("verify", "demo", "--allowed-signers", keys / "signers", exit=4)
    assert "continued: log.jsonl: unchanged up to seq 4, 2 later lines not covered" in printed


def test_a_signature_for_another_namespace_is_bad(mlv: Mlv, demo: Path, keys: Path) -> None:
    mlv("cite", "demo")
    command: list[str | Path] = ["ssh-keygen", "-q", "-Y", "sign", "-n", "file"]
    command += ["-f", keys / "ada", demo / "mlv-statement.txt"]
    subprocess.run(command, check=True)
    assert mlv("verify", "demo", "--allowed-signers", keys / "signers", exit=5).startswith("bad signature: ")


def test_wrong_usage_is_an_error_with_advice(mlv: Mlv, demo: Path, keys: Path, tmp_path: Path) -> None:
    assert "isn't an anchor" in mlv("verify", "demo", "--anchor", "sha256:12", exit=2)
    assert "--signer needs --allowed-signers" in mlv("verify", "demo", "--signer", "ada@example.org", exit=2)
    assert "Pass your private key with --key" in mlv("sign", "demo", exit=2, HOME=str(tmp_path))
    assert "was not signed" in mlv("sign", "demo", "--key", keys / "signers", exit=1)
    (tmp_path / "bin").mkdir()
    assert "ssh-keygen isn't installed" in mlv(
        "sign", "demo", "--key", keys / "ada", exit=1, PATH=str(tmp_path / "bin")
    )
    assert "keys isn't an experiment" in mlv("cite", "keys", exit=1)


def test_the_commands_of_the_page_verify_by_hand(mlv: Mlv, demo: Path, keys: Path) -> None:
    mlv("sign", "demo", "--key", keys / "ada")
    shutil.copy(keys / "signers", demo / "allowed_signers")
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    [verify_signature] = [block for block in blocks if "-Y verify" in block]
    [compare] = [block for block in blocks if "while" in block]
    done = subprocess.run(["sh", "-c", verify_signature], cwd=demo, capture_output=True, text=True)
    assert done.returncode == 0 and 'Good "mlv-statement" signature for ada@example.org' in done.stdout, done

    def compared() -> list[str]:
        shell = subprocess.run(["sh", "-c", compare], cwd=demo, capture_output=True, text=True, check=True)
        assert not shell.stderr
        return shell.stdout.splitlines()

    assert compared() == []
    Exp.resume(demo).close()
    (demo / "files/cm.png").write_bytes(b"pictura")
    (demo / "log/gpu.jsonl").unlink()
    assert compared() == ["changed: files/cm.png", "longer: log.jsonl", "changed: log/gpu.jsonl"]
