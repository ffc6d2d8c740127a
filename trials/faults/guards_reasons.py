"""The guards that no test of the conformance suite can notice, by the end of their file and their condition."""

_OPEN = (
    "the specification leaves open what a reader makes of a record that breaks only rules of phase schema "
    "(spec/1.0/open.md); other records are read as before"
)
_SPEED = "the full parser judges each line that the fast one leaves to it: only the speed changes"
_REFERENCE = "no operation of a driver refers to a file by its path; python/tests/test_files.py has the tests"
_TABLE = "no command of a driver reads the table in an attached file; python/tests/test_forms.py has the tests"
_API = "a wrong argument of a method of the API, which a driver doesn't pass"
_REPORT = 'an exception instead of a warning, with on_error="raise"; nothing else is written with either'
_SUB = "a driver makes a sub-experiment by its path, not by Exp.sub; python/tests/test_sub_experiments.py has the tests"
_LIST = "the error of assigning an attribute of an object that only reads: nothing is written"

UNREACHED: dict[str, str] = {
    # The reader.
    "existing.py: if folder is None or not folder.is_same(self._directory)": (
        "the directory is moved between two calls of a program; a driver opens and reads in one command"
    ),
    "experiment.py: if path not in self.streams": _API,
    "experiment.py: if must_open and (not reason)": "the system refuses to open a stream, which the suite can't cause",
    "metrics.py: if direction is not None and direction not in DIRECTIONS": _API,
    "read.py: if not os.path.exists(root)": _API,
    "read.py: if not os.path.isdir(root)": _API,
    "readonly.py: if name in _ADDITIONS": _LIST,
    "readonly.py: if name in _INSTEAD": _LIST,
    "readonly.py: if kind.__module__.partition('.')[0] == __name__.partition('.')[0]": _LIST,
    "file_reference.py: if real not in file.parents": _REFERENCE,
    "file_reference.py: if (nearest := enclosing(file.parent)) is None or nearest.resolve() != real": _REFERENCE,
    "file_reference.py: if os.path.isdir(file)": _REFERENCE,
    "file_reference.py: if status.st_size != size": _REFERENCE,
    "file_reference.py: if not is_file_path(path)": _REFERENCE,
    "file_reference.py: if error.errno is None": _REFERENCE,
    "table_file.py: if not isinstance(value, File)": _TABLE,
    "table_file.py: if value.experiment not in (None, experiment)": _TABLE,
    "table_file.py: if value.media_type not in (_ROWS, _CSV)": _TABLE,
    "table_file.py: if os.path.realpath(path) != os.path.normpath(path)": _TABLE,
    "table_file.py: if len(content) != file.size or hashlib.sha256(content).hexdigest() != file.sha256": _TABLE,
    # The writer.
    "appender.py: if self._reports.raises": _REPORT,
    "forked_child.py: if self._reports.raises": _REPORT,
    "reports.py: if self.raises": _REPORT,
    "lifecycle_events.py: if not isinstance(reason, str)": _API,
    "_open_experiment.py: if how != 'copy'": _API,
    "_open_streams.py: if not is_mapping(mark)": _API,
    "_new_directory.py: if savedir.kind.lower() in FOLDERS": _SUB,
    "_new_directory.py: if savedir.folder.is_removed": _SUB,
    "_open_streams.py: if entry.lower() == name.lower() and entry != name": (
        "no operation of a driver names a stream; python/tests/test_experiment.py has the tests"
    ),
    "_opening.py: if parent is not None and (not isinstance(parent, (ExperimentRef, ExistingExperiment)))": _API,
    "_event_data.py: if not is_mapping(data)": _API,
    "_event_data.py: if _is_given_twice(key, data, members)": _API,
}
"""Guards that no driver reaches, for example by a wrong type of an argument: they are skipped."""

SURVIVORS: dict[str, str] = {
    # The reader.
    "events.py: if type(tree) is not dict or not isinstance(tree['data'], dict)": (
        "the next lines refuse this line as well, with a TypeError or by the type of the data"
    ),
    "events.py: if type(name) is not str or type(data) is not dict or type(seq) is not int": _OPEN,
    "events.py: if time is None": _OPEN,
    "events.py: if (begin, within) != (tree.get('begin'), tree.get('within')) or "
    "span not in (None, 'begin', 'end')": _OPEN,
    "fast.py: if type(tree) is not dict": _OPEN,
    "fast.py: if steps and max(map(abs, steps)) >= 2 ** 63": (
        "a number in the form of the fast reader has at most 15 digits before its point"
    ),
    "meta.py: if not isinstance(record.get('mlv'), str)": _OPEN,
    "meta.py: if not isinstance(record.get('params'), dict) or not isinstance(record.get('name'), str)": _OPEN,
    "metrics.py: if given is None or given != (wanted or given)": (
        "the driver asks for the best value of a metric only if a definition gives its direction"
    ),
    "decode.py: if number is None or not least <= number <= MAX_INT": _OPEN,
    "decode.py: if type(value) is not str or not is_text(value)": _OPEN,
    "decode.py: if type(value) is not str": _OPEN,
    "decode.py: if not is_file_path(path)": _OPEN,
    "decode.py: if not stream": _OPEN,
    "decode.py: if type(columns) is not list or type(rows) is not list or "
    "(not all((type(row) is list for row in rows)))": _OPEN,
    "decode.py: if type(tree[name]) is not list": _OPEN,
    "forms.py: if match is None": "without a match, the next line fails, and the typed value is kept as it is, too",
    # The writer.
    "lifecycle_events.py: if not 0 <= to <= last": "_open_streams.py refuses the same before",
    "names.py: if not issubclass(type(name), str) or not (text := str.__str__(name))": (
        "an empty path has an empty segment, which is refused as a segment"
    ),
    "session.py: if state.size and (not state.has_start)": (
        "the stream breaks session.start before; whether a writer adds a session to it is open, and its lines stay"
    ),
    "session.py: if not state.size and (not _may_be_emptied(file.read(len(_BEGINNING), 0)))": (
        "writer.torn demands that bytes after the last LF are removed: mlvlogger refuses to remove those of another "
        "program"
    ),
    "folder.py: if isinstance(error, OSError) and error.errno in (errno.ELOOP, errno.ENOTDIR) and "
    "(inner is not None)": "the error of the system is raised instead: the same is refused in other words",
    "meta.py: if refused": (
        "the values are recorded by their types and reprs, as in an event, which the protocol allows instead"
    ),
}
"""Guards without which the suite passes, and why."""

INVERTED_SURVIVORS: dict[str, str] = {
    "fast.py: if levels < 0": _SPEED,
    "fast.py: if type(tree) is not dict": _SPEED,
    "fast.py: if steps and max(map(abs, steps)) >= 2 ** 63": _SPEED,
}
"""Guards whose condition can be negated so that the suite passes, and why."""
