import resource
import signal

from mlvlogger import Exp, WriteFailed, read

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
exp = Exp("runs", "e", on_error="raise")
for number in range(30):
    exp.stream("long").event("x")
exp.stream("short").event("x")
size = (exp.path / "log/long.jsonl").stat().st_size + 10
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
try:
    exp.close()
except WriteFailed as error:
    print("log/long.jsonl" in str(error))
print(read("runs/e").state, (exp.path / "log/short.jsonl").read_bytes().count(b"mlv/end"))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
Exp.resume("runs/e").stream("long")
