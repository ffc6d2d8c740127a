from mlvlogger import Exp

with Exp("runs", "e") as exp:
    print("ready", flush=True)
    for number in range(20_000):
        exp.log.event("x", number=number)
    print("done", flush=True)
    input()
