"""dvclive: ``log_metric`` for each value, then ``next_step``. Read from its table of the loss."""

import csv

from dvclive import Live


def record(variant, directory, train):
    with Live(f"{directory}/live", save_dvc_exp=False, monitor_system=False, report=None) as live:

        def log(data):
            live.step = data["step"]
            for name, value in data.items():
                if name != "step":
                    live.log_metric(name, value)
            live.next_step()

        train(log)


def read(variant, directory):
    with open(f"{directory}/live/plots/metrics/loss.tsv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, dialect="excel-tab"):
            yield int(row["step"]), float(row["loss"])
