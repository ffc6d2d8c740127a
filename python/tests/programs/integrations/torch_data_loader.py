"""Argument: whether the workers of the data loader stay alive between epochs."""

import sys

import torch
from torch.utils.data import DataLoader, Dataset

from mlvlogger import Exp, Logger


class Squares(Dataset[torch.Tensor]):
    def __init__(self, log: Logger) -> None:
        self.log = log

    def __len__(self) -> int:
        return 32

    def __getitem__(self, index: int) -> torch.Tensor:
        self.log.event("loaded", index=index)
        return torch.tensor([index, index**2])


with Exp("runs", "e") as exp:
    options = {"num_workers": 2, "persistent_workers": sys.argv[1] == "True", "multiprocessing_context": "fork"}
    loader = DataLoader(Squares(exp.log.sub("data")), batch_size=8, shuffle=True, **options)
    for n in range(3):
        with exp.log.span("epoch", n=n) as epoch:
            for batch in loader:
                epoch.event("batch", sum=batch.sum())
    for number, batch in enumerate(loader):  # and one that is left in the middle, when both workers have loaded one
        if number == 1:
            break
