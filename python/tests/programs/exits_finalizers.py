from mlvlogger import Logger


class Late:
    def __del__(self) -> None:
        log.event("late")


early = Late()
log = Logger("a.jsonl")
late = Late()
