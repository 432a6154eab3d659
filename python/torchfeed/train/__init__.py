"""The reference training, ``python -m torchfeed.train``: a small CNN in an ordinary PyTorch loop."""

from .loop import evaluate, lr_factor, train_epoch
from .model import cnn
from .options import Options, parse
from .run import Run, fit

__all__ = ["Options", "Run", "cnn", "evaluate", "fit", "lr_factor", "parse", "train_epoch"]
