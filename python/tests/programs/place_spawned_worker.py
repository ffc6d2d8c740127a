import multiprocessing
import os

from mlvlogger import Exp, read


def work(path: str) -> None:
    with Exp.join(path, 1) as exp:
        exp.log.event("x", path=os.path.isabs(exp.path))


if __name__ == "__main__":
    os.makedirs("work")
    exp = Exp("runs", "demo")
    os.chdir("work")
    process = multiprocessing.get_context("spawn").Process(target=work, args=(str(exp),))
    process.start()
    process.join()
    exp.close()
    os.chdir("..")
    print([event.name for event in read("runs/demo").events(stream="log/rank-1.jsonl")])
