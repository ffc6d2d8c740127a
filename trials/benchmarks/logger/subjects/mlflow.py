"""mlflow: ``log_metrics`` with a step. Variants ``file`` and ``sqlite`` are its two local stores."""

import os

os.environ.update(MLFLOW_ALLOW_FILE_STORE="true", MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true")

import mlflow  # noqa: E402  what it reads from the environment is set before


def use(variant, directory):
    mlflow.set_tracking_uri(f"sqlite:///{directory}/mlflow.db" if variant == "sqlite" else f"file://{directory}")


def record(variant, directory, train):
    use(variant, directory)
    mlflow.set_experiment("benchmark")

    def log(data):
        mlflow.log_metrics({name: value for name, value in data.items() if name != "step"}, step=data["step"])

    with mlflow.start_run():
        train(log)


def read(variant, directory):
    use(variant, directory)
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("benchmark")
    run = client.search_runs([experiment.experiment_id])[0]
    for metric in client.get_metric_history(run.info.run_id, "loss"):
        yield metric.step, metric.value
