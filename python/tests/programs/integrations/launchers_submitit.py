import submitit

from mlvlogger import Exp


def train() -> None:
    Exp("runs", "e").close()


if __name__ == "__main__":
    executor = submitit.LocalExecutor(folder="jobs")
    executor.update_parameters(timeout_min=5)
    executor.submit(train).result()
