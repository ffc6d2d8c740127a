import os
import sys
import warnings

from mlvlogger import Exp

exp = Exp("runs", "e", writer=sys.argv[1])
exp.log.event("x", step=0)
exp.flush()
os.closerange(3, 100)
os.mkdir("mine")
mine = []
for number in range(12 if sys.argv[2] != "nothing" else 0):
    if sys.argv[2] == "files":
        mine.append(os.open(f"mine/{number}", os.O_RDWR | os.O_CREAT))
    else:
        mine.append(os.open("mine", os.O_RDONLY))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    exp.log.event("x", step=1)
    exp.attach(b"bytes", "m.bin")
    exp.stream("gpu").event("x", step=2)
    exp.close()
assert any("closed by another program" in str(warning.message) for warning in caught)
if sys.argv[1] == "direct" or sys.version_info >= (3, 13):  # before, `mmap` closes its own descriptor
    for fd in mine:
        os.close(fd)  # none was closed for us
assert all(os.stat(f"mine/{name}").st_size == 0 for name in os.listdir("mine"))
if sys.argv[2] != "files":
    assert os.listdir("mine") == [], os.listdir("mine")
print(sorted(os.listdir("runs/e/files")), sorted(os.listdir("runs/e/log")))
