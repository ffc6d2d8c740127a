from mlvlogger import Exp, WriteFailed, read
from programs.limits import limit_size

exp = Exp("runs", "e", on_error="raise")
for number in range(30):
    exp.stream("long").event("x")
exp.stream("short").event("x")
size = (exp.path / "log/long.jsonl").stat().st_size + 10
limit_size(size)
try:
    exp.close()
except WriteFailed as error:
    print("log/long.jsonl" in str(error))
print(read("runs/e").state, (exp.path / "log/short.jsonl").read_bytes().count(b"mlv/end"))
limit_size(None)
Exp.resume("runs/e").stream("long")
