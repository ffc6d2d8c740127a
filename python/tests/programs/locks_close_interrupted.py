from typing import Any

from mlvlogger import Exp

exp = Exp("runs", "e")
writer: Any = exp.log._stream._destination.writer
seal = writer.seal


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


writer.seal = interrupt
try:
    exp.close()
except KeyboardInterrupt:
    writer.seal = seal
