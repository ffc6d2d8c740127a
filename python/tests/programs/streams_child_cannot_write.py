import os
import warnings

from mlvlogger import Logger
from programs.limits import limit_size

log = Logger("a.jsonl")
log.event("parent")
pid = os.fork()
if pid == 0:
    try:
        limit_size(0)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert log.event("child", number=1) is None
        limit_size(None)
        mine = [open(f"mine-{number}", "w") for number in range(5)]
        assert log.event("child", number=2) is not None
        log.close()
        assert [os.stat(file.name).st_size for file in mine] == [0] * 5, "a log line in the user's file"
        assert len(caught) == 1 and "File too large" in str(caught[0].message)
        os._exit(0)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(1)
assert os.waitpid(pid, 0)[1] == 0
assert log.event("parent") == 3
log.close()
