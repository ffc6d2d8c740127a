"""Argument: the folder of test_lightning.py, in python/tests."""

import os
import sys
import warnings

warnings.simplefilter("ignore")
sys.path[:0] = [sys.argv[1], os.path.dirname(sys.argv[1])]
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_only
from test_lightning import Exp, MLVLogger, Net, data, trainer


class Talking(Net):
    def on_train_epoch_start(self) -> None:
        self.logger.experiment.log.event("epoch", rank=self.global_rank)


rank = rank_zero_only.rank
with Exp("runs", "e") if rank == 0 else Exp.join("runs/e", rank) as exp:
    mlv = MLVLogger(exp)
    saver = ModelCheckpoint(save_last=True)
    trainer(mlv, callbacks=[mlv, saver], strategy="ddp", devices=2).fit(Talking(), data(), data())
