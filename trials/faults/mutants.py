"""Plant faults in the logger, one at a time, and require that a test notices each of them.

    python trials/faults/mutants.py [--list] [--jobs N] [mutant …]

Each mutant is a change of the source, and the tests that must fail with it. The change is made in a copy of the
package; its old text must be there exactly once, so that a mutant which no longer fits is an error.
The same tests must pass with an unchanged copy. Exits with 1 when a mutant lives.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Edit:
    """A change of one file of the package: *old* becomes *new*."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """A planted fault.

    Attributes:
        name: As in reports.
        what: What the mutant does wrong.
        edits: The changes that make it.
        tests: Tests in `python/tests`, each of which must fail; of one with parameters, with some of these.
    """

    name: str
    what: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]


MUTANTS = (
    # Durability.
    Mutant(
        "m1",
        "The log is never synced.",
        (Edit("_disk/line_file.py", 'getattr(os, "fdatasync", os.fsync)(self._fd)', "pass"),),
        (
            "test_writers.py::test_after_a_failed_sync_every_sync_fails",
            "test_disk_order.py::test_acknowledged_events_of_a_durable_experiment_are_on_the_disk",
        ),
    ),
    Mutant(
        "m1b",
        "What is published and attached is not synced.",
        (Edit("_disk/publish.py", "        os.fsync(fd)\n", "        pass\n"),),
        ("test_disk_order.py::test_a_file_has_its_final_name_when_it_is_complete_and_on_the_disk",),
    ),
    Mutant(
        "m17",
        "What `create` and the attaching of values make is not synced.",
        (Edit("_new_file.py", "        self.flush()\n        sync(self.fileno())\n", "        self.flush()\n"),),
        ("test_disk_order.py::test_a_file_has_its_final_name_when_it_is_complete_and_on_the_disk",),
    ),
    Mutant(
        "m10",
        "The directory is not synced after something was published in it.",
        (
            Edit(
                "_disk/publish.py",
                "            _rename_under_claim(source, temporary, target, final, error)\n    target.sync()\n",
                "            _rename_under_claim(source, temporary, target, final, error)\n",
            ),
        ),
        (
            "test_disk_order.py::test_acknowledged_events_of_a_durable_experiment_are_on_the_disk",
            "test_disk_order.py::test_a_file_has_its_final_name_when_it_is_complete_and_on_the_disk",
        ),
    ),
    Mutant(
        "m11",
        "The directory of a new durable stream is not synced.",
        (
            Edit(
                "_write/session.py",
                "            destination.writer.sync()\n"
                "            with destination.folder() as folder:\n"
                "                folder.sync()\n",
                "            destination.writer.sync()\n",
            ),
        ),
        (
            "test_disk_order.py::test_acknowledged_events_of_a_durable_experiment_are_on_the_disk",
            "test_disk_order.py::test_a_new_bare_log_is_on_the_disk_with_its_name",
            "test_disk_order.py::test_the_stream_of_a_forked_child_is_on_the_disk_with_its_name",
        ),
    ),
    Mutant(
        "m13",
        "With the process writer, a flush does not sync.",
        (
            Edit(
                "_write/process/client.py",
                "        self.drain()\n        self._file.sync()\n",
                "        self.drain()\n",
            ),
        ),
        (
            "test_process.py::test_with_durability_disk_flush_syncs",
            "test_disk_order.py::test_with_the_process_writer_flushed_events_are_on_the_disk",
        ),
    ),
    Mutant(
        "m9",
        "A sync that failed is forgotten.",
        (Edit("_disk/line_file.py", "if self._sync_error is not None:", "if False:"),),
        ("test_writers.py::test_after_a_failed_sync_every_sync_fails",),
    ),
    # What others see.
    Mutant(
        "m7",
        "A record is published under its final name, and filled then.",
        (
            Edit(
                "_disk/publish.py",
                '        with open(temporary, "xb", opener=folder.opener) as file:\n'
                "            file.write(data)\n"
                "            file.flush()\n"
                "            sync(file.fileno())\n"
                "        link(folder, temporary, folder, name)\n",
                '        with open(name, "xb", opener=folder.opener) as file:\n'
                "            file.write(data)\n"
                "            file.flush()\n"
                "            sync(file.fileno())\n"
                "        folder.sync()\n",
            ),
        ),
        (
            "test_disk_order.py::test_acknowledged_events_of_a_durable_experiment_are_on_the_disk",
            "test_disk_order.py::test_a_file_has_its_final_name_when_it_is_complete_and_on_the_disk",
        ),
    ),
    Mutant(
        "m16",
        "`attach` does not notice that its source changes.",
        (
            Edit(
                "_files.py",
                "if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):",
                "if False:",
            ),
        ),
        ("test_files.py::test_a_source_that_grows_while_it_is_copied_is_refused",),
    ),
    Mutant(
        "m20",
        "A link instead of a folder is followed.",
        (Edit("_disk/folder.py", "(0 if follow else os.O_NOFOLLOW)\n        fd = ", "0\n        fd = "),),
        ("test_files.py::test_a_planted_link_is_not_followed",),
    ),
    Mutant(
        "m28",
        "The claim that replaces a hard link is not removed.",
        (
            Edit(
                "_disk/claims.py",
                "            if self._holds_name(fd):\n                self._folder",
                "            if False:\n                self._folder",
            ),
        ),
        ("test_locks.py::test_without_links_one_of_many_threads_publishes_a_name",),
    ),
    # Whole lines, and one writer.
    Mutant(
        "m2",
        "A short write is not taken back.",
        (Edit("_disk/line_file.py", "            os.ftruncate(self._fd, size + whole)\n", "            pass\n"),),
        ("test_writers.py::test_a_short_write_is_truncated_before_the_next_line",),
    ),
    Mutant(
        "m12",
        "A torn end stays when the next session begins.",
        (Edit("_write/session.py", "            file.truncate(state.size)\n", "            pass\n"),),
        (
            "test_streams.py::test_a_log_torn_at_any_byte_of_its_last_line_is_continued",
            "test_streams.py::test_a_torn_end_of_any_size_is_removed",
        ),
    ),
    Mutant(
        "m4",
        "A forked child continues with its parent's file.",
        (
            Edit(
                "_disk/forks.py",
                "for one in self:\n            self._after_fork(one)",
                "for one in self:\n            pass",
            ),
        ),
        ("test_streams.py::test_forked_children_get_their_own_streams",),
    ),
    Mutant(
        "m6",
        "The lock is released as soon as it is acquired.",
        (
            Edit(
                "_disk/line_file.py",
                "            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
                "            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
                "            fcntl.flock(fd, fcntl.LOCK_UN)\n",
            ),
        ),
        ("test_stream_lock.py::test_the_lock_of_the_operating_system_is_held_as_well",),
    ),
    Mutant(
        "m27",
        "No one waits for the writer process of a logger that is gone.",
        (
            Edit(
                "_write/session.py",
                "if is_unknown or time.monotonic() > until or not _has_opener_ended(start, root, name):",
                "if True:",
            ),
        ),
        ("test_process.py::test_an_opener_waits_for_the_writer_process_of_a_killed_caller",),
    ),
    # What waits in memory.
    Mutant(
        "m3b",
        "The last event that waits in memory is dropped.",
        (
            Edit(
                "_write/backlog.py",
                "- self._waiting[0][0]) < len(self._waiting):",
                "- self._waiting[0][0]) < len(self._waiting) - 1:",
            ),
        ),
        (
            "test_streams.py::test_unwritable_events_are_queued_then_counted_and_all_are_accounted_for_in_the_log",
            "test_streams.py::test_queued_events_are_written_by_flush_by_close_and_at_exit",
        ),
    ),
    Mutant(
        "m8",
        "What could not be kept is recorded nowhere.",
        (
            Edit(
                "_write/backlog.py",
                "        if self._dropped:\n            first, last",
                "        if False:\n            first, last",
            ),
        ),
        ("test_streams.py::test_unwritable_events_are_queued_then_counted_and_all_are_accounted_for_in_the_log",),
    ),
    Mutant(
        "m24",
        "What could not be kept is counted one short.",
        (
            Edit(
                "_write/backlog.py",
                "first, last = writer.seq + 1, writer.seq + self._dropped\n",
                "first, last = writer.seq + 1, writer.seq + self._dropped - 1\n",
            ),
        ),
        ("test_streams.py::test_unwritable_events_are_queued_then_counted_and_all_are_accounted_for_in_the_log",),
    ),
    Mutant(
        "m21",
        "More and more events wait in memory, without a bound.",
        (Edit("_write/backlog.py", "if not self._dropped and self._size + size <= MAX_SIZE:", "if True:"),),
        ("test_streams.py::test_unwritable_events_are_queued_then_counted_and_all_are_accounted_for_in_the_log",),
    ),
    # The process writer.
    Mutant(
        "m3",
        "At the end, the writer process drops what is left.",
        (
            Edit(
                "_write/process/server.py",
                "            if is_last and not (size or before or has_more):",
                "            if is_last:",
            ),
        ),
        ("test_process.py::test_a_signal_to_all_processes_at_once_loses_nothing",),
    ),
    Mutant(
        "m5",
        "A writer process that has ended is not noticed.",
        (Edit("_write/process/child.py", '        return self.ended != ""\n', "        return False\n"),),
        ("test_process.py::test_a_killed_writer_process_is_noticed_and_nothing_is_lost_or_repeated",),
    ),
    Mutant(
        "m26",
        "The logger process writes again what the writer process has written.",
        (
            Edit(
                "_write/process/takeover.py",
                "                if number <= last:\n                    continue\n",
                "",
            ),
        ),
        ("test_process.py::test_a_killed_writer_process_is_noticed_and_nothing_is_lost_or_repeated",),
    ),
    Mutant(
        "m14",
        "The writer process obeys SIGTERM, SIGINT and SIGHUP.",
        (
            Edit(
                "_disk/spawn.py",
                '("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")',
                '("SIGQUIT", "SIGUSR1", "SIGUSR2")',
            ),
        ),
        ("test_process.py::test_a_signal_to_all_processes_at_once_loses_nothing",),
    ),
    Mutant(
        "m15",
        "The writer process has no separate session.",
        (Edit("_disk/spawn.py", "setsid=True", "setsid=False"),),
        ("test_process.py::test_a_signal_to_the_process_group_of_the_caller_does_not_reach_the_writer_process",),
    ),
    Mutant(
        "m22",
        "A writer process whose logger process is gone gives up at the first error.",
        (Edit("_write/process/server.py", "elif present - in_order > _ORPHAN_TIMEOUT:", "else:"),),
        ("test_process.py::test_a_writer_process_whose_caller_has_ended_retries_until_the_disk_has_space",),
    ),
    Mutant(
        "m30",
        "Only an OSError of the start falls back to writing directly.",
        (
            Edit(
                "_write/destination.py", "except Exception as error:  # a limit", "except OSError as error:  # a limit"
            ),
        ),
        ("test_process_faults.py::test_whatever_step_of_the_start_fails_the_log_is_written_directly",),
    ),
    Mutant(
        "m31",
        "Records of the shared memory are believed without their checksums.",
        (
            Edit(
                "_write/process/ring.py",
                "            if adler32(record, end) != checksum:\n                return\n",
                "",
            ),
        ),
        (
            "test_process_faults.py::test_shared_memory_changed_by_another_process_raises_nothing_and_loses_only_the_changed_records",
        ),
    ),
    Mutant(
        "m32",
        "The writer process imports from the folder that the package is in.",
        (
            Edit(
                "_disk/spawn.py",
                'package.__path__ = [sys.argv[1]]; "',
                "package.__path__ = [sys.argv[1]]; sys.path.insert(0, sys.argv[1] + '/..'); \"",
            ),
        ),
        ("test_process_faults.py::test_modules_next_to_the_package_do_not_shadow_the_standard_library",),
    ),
    # The directory and the log, not their names.
    Mutant(
        "m33",
        "The size of the log is not compared before a line is written.",
        (Edit("_disk/line_file.py", "if _seek(self._fd, 0, _END) != size:", "if False:"),),
        ("test_kept.py::test_no_line_is_written_after_a_truncation",),
    ),
    Mutant(
        "m34",
        "The log is not compared with the file at its path.",
        (Edit("_disk/line_file.py", "            if identity(there) != self.identity:", "            if False:"),),
        ("test_kept.py::test_an_experiment_continues_when_its_log_is_changed",),
    ),
    Mutant(
        "m35",
        "A log that took the place of another one begins empty.",
        (Edit("_write/relocation.py", 'has_copy = how in ("removed", "replaced") and', "has_copy = False and"),),
        ("test_kept.py::test_an_experiment_continues_when_its_log_is_changed",),
    ),
    Mutant(
        "m36",
        "A seal is about what the file has, whoever wrote it.",
        (Edit("_write/unsealed_hash.py", "if known > end:", "if True:"),),
        ("test_kept.py::test_an_edit_of_the_same_size_is_found_by_validation",),
    ),
    Mutant(
        "m41",
        "What another process has written is believed, whatever the file has.",
        (Edit("_write/unsealed_hash.py", "if sha256 not in (None, found.digest()):", "if False:"),),
        (
            "test_kept.py::test_an_edit_of_the_same_size_is_found_by_validation",
            "test_kept.py::test_an_edit_of_the_same_size_is_found_after_the_death_of_the_writer_process",
        ),
    ),
    Mutant(
        "m42",
        "The seals of a log that was published again are about what the copy has.",
        (Edit("_write/unsealed_hash.py", "        copy._state = self._state\n", ""),),
        ("test_kept.py::test_an_edit_of_the_same_size_is_found_by_validation",),
    ),
    Mutant(
        "m43",
        "What a writer process has written is forgotten when it is killed.",
        (Edit("_write/process/takeover.py", "(digest := self._ring.digest(hash_start, start)) is not None", "False"),),
        ("test_kept.py::test_an_edit_of_the_same_size_is_found_after_the_death_of_the_writer_process",),
    ),
    Mutant(
        "m44",
        "The writer process doesn't know what the logger process has written.",
        (Edit("_write/process/client.py", "            direct_range = start, digest\n", ""),),
        ("test_kept.py::test_an_edit_of_the_same_size_is_found_by_validation",),
    ),
    Mutant(
        "m45",
        "A writer looks for other lock files before it creates its own.",
        (
            Edit(
                "_disk/stream_lock.py",
                "                if had_notice:\n",
                "                self._remove_own()\n                time.sleep(0.002)\n"
                "                self._create(os.urandom(16).hex())\n                if had_notice:\n",
            ),
        ),
        ("test_stream_lock.py::test_of_eight_contenders_that_are_killed_at_random_one_at_most_has_the_lock",),
    ),
    Mutant(
        "m46",
        "A writer doesn't look for its lock file again.",
        (Edit("_disk/line_file.py", "if self.lock is not None and not self.lock.check():", "if False:"),),
        ("test_stream_lock.py::test_a_writer_whose_lock_another_one_has_writes_no_more_to_the_stream",),
    ),
    Mutant(
        "m47",
        "A writer that can't be examined gets no time to notice that its stream is taken over.",
        (Edit("_disk/stream_lock.py", "                    time.sleep(_NOTICE)\n", ""),),
        ("test_stream_lock.py::test_a_writer_that_cannot_be_examined_is_named_and_can_be_taken_over",),
    ),
    Mutant(
        "m48",
        "The writer process has no lock file.",
        (
            Edit("_disk/stream_lock.py", "        lock._create(nonce)\n", "        lock._own = nonce\n"),
            Edit("_write/process/server.py", "if not self._lock.is_found:", "if False:"),
        ),
        ("test_stream_lock.py::test_the_writer_process_has_a_lock_file",),
    ),
    Mutant(
        "m37",
        "The path of an experiment is the one that was given, wherever it leads.",
        (
            Edit(
                "_disk/folder.py",
                "        if self._is_at(self._given):\n            return",
                "        if True:\n            return",
            ),
        ),
        ("test_place.py::test_after_chdir_a_relative_savedir_leads_to_the_same_experiment",),
    ),
    Mutant(
        "m38",
        "A stream refers to its experiment, so that only the garbage collector ends both.",
        (
            Edit(
                "_write/session.py",
                "            start.record = record()\n",
                "            start.record = (start.__dict__.setdefault('_asked', record) or record)()\n",
            ),
        ),
        ("test_locks.py::test_a_dropped_experiment_releases_its_streams_without_the_garbage_collector",),
    ),
    Mutant(
        "m40",
        "The directory in which a folder was made is not synced.",
        (
            Edit(
                "_disk/folder.py",
                "                    self.sync()  # files that are published",
                "                    pass  # files that are published",
            ),
        ),
        ("test_disk_order.py::test_the_names_of_new_folders_are_on_the_disk",),
    ),
    Mutant(
        "m39",
        "A stream counts as closed before its end is recorded.",
        (
            Edit(
                "_write/closing.py",
                "        self.requested = self.requested or (data,)\n",
                "        self.is_closed = True\n",
            ),
        ),
        ("test_locks.py::test_an_interrupted_close_can_be_repeated_until_the_end_is_recorded",),
    ),
    # How a program ends.
    Mutant(
        "m60",
        "A program that ends without a close has completed.",
        (Edit("_write/endings.py", 'ENDED = {"status": "ended"}', 'ENDED = {"status": "completed"}'),),
        (
            "test_endings.py::test_a_program_that_does_not_close_leaves_what_its_writer_knows",
            "test_endings.py::test_all_streams_and_experiments_are_ended_and_listed",
        ),
    ),
    Mutant(
        "m61",
        "The exit handler only flushes the streams.",
        (
            Edit(
                "_write/stream.py",
                "                    self.close(None if self.paused else data)\n",
                "                    self.flush()\n",
            ),
        ),
        ("test_endings.py::test_a_program_that_does_not_close_leaves_what_its_writer_knows",),
    ),
    Mutant(
        "m62",
        "The exception of a notebook's cell ends the program.",
        (Edit("_write/endings.py", ' or hasattr(sys, "ps1")', ""),),
        ("test_endings.py::test_a_program_that_does_not_close_leaves_what_its_writer_knows",),
    ),
)


def main() -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    names = [mutant.name for mutant in MUTANTS]
    parser.add_argument("mutants", nargs="*", metavar="mutant", help=f"by default all: {', '.join(names)}")
    parser.add_argument("--list", action="store_true", help="print the mutants as a Markdown table, and run nothing")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants at a time (default: the CPUs)")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.mutants) - set(names)):
        parser.error(f"no such mutant: {', '.join(unknown)}. There are: {', '.join(names)}.")
    mutants = [mutant for mutant in MUTANTS if mutant.name in (arguments.mutants or names)]
    if arguments.list:
        print("| mutant | planted fault | test that fails |\n| --- | --- | --- |")
        for mutant in mutants:
            print(f"| `{mutant.name}` | {mutant.what} | {', '.join(f'`{test}`' for test in mutant.tests)} |")
        return 0
    everything = tuple(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
    original = Mutant("original", "Nothing is changed.", (), everything)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        problems = [problem for problem in pool.map(_judge, (original, *mutants)) if problem]
    for problem in problems:
        print(f"\n{problem}")
    print(f"\n{len(mutants) + 1 - len(problems)} as they should be, {len(problems)} not")
    return 1 if problems else 0


def _judge(mutant: Mutant) -> str:
    """What is wrong with a mutant: empty where its tests do what they should."""
    with tempfile.TemporaryDirectory(prefix="mlv-mutant-") as directory:
        source = Path(directory) / "src"
        shutil.copytree(_ROOT / "python/src", source, ignore=shutil.ignore_patterns("__pycache__"))
        for edit in mutant.edits:
            path = source / "mlvlogger" / edit.file
            text = path.read_text(encoding="utf-8")
            if text.count(edit.old) != 1:
                return f"{mutant.name}: {edit.file} has this {text.count(edit.old)} times, and not once:\n{edit.old}"
            path.write_text(text.replace(edit.old, edit.new), encoding="utf-8")
        began = time.monotonic()
        output = _test(mutant, source, Path(directory))
    if mutant.edits:
        wrong = [test for test in mutant.tests if f"\nFAILED python/tests/{test}" not in output]
        problem = f"{mutant.name} lives: {', '.join(wrong)} passed with it." if wrong else ""
    else:
        problem = "" if " failed" not in output and " error" not in output else "tests fail without any mutant."
    print(
        f"{mutant.name}: {problem or 'as it should be'} ({time.monotonic() - began:.0f} s, {mutant.what})", flush=True
    )
    return problem and f"{problem}\n{output[-3000:]}"


def _test(mutant: Mutant, source: Path, directory: Path) -> str:
    """What pytest printed. Raises RuntimeError where it did not run the tests with the copy."""
    paths = [str(source), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(directory),
    }
    seen = "import mlvlogger; print(mlvlogger.__file__)"
    found = subprocess.run([sys.executable, "-c", seen], env=environment, capture_output=True, text=True, check=True)
    if not found.stdout.startswith(str(source)):
        raise RuntimeError(f"the tests would import {found.stdout.strip()}, and not the copy")
    tests = [str(_ROOT / "python/tests" / test) for test in mutant.tests]
    with (directory / "output").open("w+", encoding="utf-8", errors="replace") as output:
        options = ["-n", "0", "-m", "", "-q", "-rf", "--tb=short", "-p", "no:cacheprovider"]
        command = [sys.executable, "-m", "pytest", *options, *tests]
        done = subprocess.run(
            command, cwd=_ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        output.seek(0)
        text = output.read()
    if done.returncode not in (0, 1):  # some tests failed, or none
        raise RuntimeError(f"pytest ended with {done.returncode} for {mutant.name}:\n{text[-3000:]}")
    return text


if __name__ == "__main__":
    sys.exit(main())
