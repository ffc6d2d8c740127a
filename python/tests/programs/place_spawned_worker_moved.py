import multiprocessing
import os

from mlvlogger import Exp, read


def work(path: str) -> None:
    with Exp.join(path, 1) as exp:
        exp.log.event("x")


if __name__ == "__main__":
    exp = Exp("runs", "demo")
    os.rename("runs/demo", "runs/moved")
    Exp("runs", "demo").close()
    process = multiprocessing.get_context("spawn").Process(target=work, args=(str(exp.path),))
    process.start()
    process.join()
    exp.close()
    print([event.name for event in read("runs/moved").events(stream="log/rank-1.jsonl")])
