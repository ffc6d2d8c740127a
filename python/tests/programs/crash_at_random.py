import os

from mlvlogger import Exp

acknowledged = os.open("acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
with Exp("runs", "e", exists="resume") as exp:
    gpu = exp.stream("gpu")
    print("ready", flush=True)
    number = 0
    while True:
        with exp.log.span("epoch") as epoch:
            for _ in range(50):
                seq = epoch.event("x", number=number, text="é" * (number % 200))
                os.write(acknowledged, b"log.jsonl %d %d\n" % (seq, number))  # type: ignore[str-format]
                seq = gpu.event("x", number=number)
                os.write(acknowledged, b"log/gpu.jsonl %d %d\n" % (seq, number))  # type: ignore[str-format]
                number += 1
        with exp.create("last.bin") as file:
            file.write(b"x" * number)
