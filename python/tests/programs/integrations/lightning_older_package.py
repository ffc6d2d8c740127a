"""Trains with the package pytorch_lightning. Arguments: whether lightning cannot be imported, and the epochs."""

import sys
import warnings
from typing import Any

warnings.simplefilter("ignore")
if sys.argv[1] == "True":
    sys.modules["lightning"] = None  # type: ignore[assignment]
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from mlvlogger import Exp
from mlvlogger.integrations.lightning import MLVLogger


class Net(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = torch.nn.Linear(2, 1)

    def training_step(self, batch: Any, number: int) -> Any:
        loss = self.net(batch).mean()
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.1)


with Exp("runs", "e", exists="resume") as exp:
    mlv = MLVLogger(exp, digests=False)  # last.ckpt is another one the second time
    saver = pl.callbacks.ModelCheckpoint(save_last=True)
    options = {"accelerator": "cpu", "log_every_n_steps": 1, "max_epochs": int(sys.argv[2])}
    trainer = pl.Trainer(logger=mlv, callbacks=[mlv, saver], **options)
    trainer.fit(Net(), DataLoader(torch.ones(8, 2), batch_size=4), ckpt_path="last")
