from mlvlogger import Logger

log = Logger("a.jsonl", writer="process")
for number in range(20_000):
    seq = log.event("x", number=number)
print(seq, flush=True)
input()
