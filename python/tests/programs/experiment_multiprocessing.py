import multiprocessing
import os
import sys

from mlvlogger import Exp


def work(path: str) -> bool:
    with Exp.join(path, rank=os.getpid()) as exp:
        seq = exp.log.event("x")
        return seq is not None and seq > 1


if __name__ == "__main__":
    with Exp("runs", "e") as exp:
        with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
            assert pool.map(work, [str(exp.path)] * 4, chunksize=1) == [True] * 4
