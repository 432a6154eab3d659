"""What can be set from the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Options", "parse"]


@dataclass
class Options:
    """The settings of one run; `parse` fills them from the command line, and the defaults suit CIFAR-10."""

    data: Path
    dataset: str | None = None
    loader: str = "torchfeed"
    model: str = "cnn"
    epochs: int = 10
    batch_size: int = 128
    lr: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: float = 1.0
    clip: float = 1.0
    one_hot: bool = False
    label_smoothing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    workers: int = 2
    persistent_workers: bool = False
    device: str = "auto"
    amp: bool = True
    seed: int = 0
    deterministic: bool = False
    checkpoint: Path | None = None
    save_every: int = 0
    resume: Path | None = None
    max_steps: int = 0
    log_dir: Path | None = None
    eval: bool = False


def parse(argv: Sequence[str] | None = None) -> Options:
    """Reads the command line.

    Args:
        argv: the arguments; those of the process when omitted.

    Returns:
        The settings.

    Example:
        >>> parse(["--data", "photos", "--epochs", "3"]).epochs
        3
    """
    parser = argparse.ArgumentParser("python -m torchfeed.train", formatter_class=_Formatter)
    add = parser.add_argument_group("data").add_argument
    add("--data", type=Path, required=True, metavar="DIR", help="a CIFAR-10 folder or an ImageFolder")
    add("--dataset", choices=["imagefolder", "cifar10"], help="what DIR holds; found out when omitted")
    add("--loader", choices=["torchfeed", "torch"], default=Options.loader, help="torch: with torchvision")
    add("--workers", type=_count, default=Options.workers, metavar="N", help="native threads; with torch, processes")
    add("--persistent-workers", action="store_true", help="with torch: keep the processes; a resumed run then differs")
    add("--batch-size", type=_positive, default=Options.batch_size, metavar="N", help="images per step")
    add = parser.add_argument_group("training").add_argument
    add("--model", choices=["cnn"], default=Options.model, help="the network")
    add("--epochs", type=_count, default=Options.epochs, metavar="N", help="passes over the training images")
    add("--lr", type=float, default=Options.lr, help="highest learning rate")
    add("--momentum", type=float, default=Options.momentum, help="Nesterov momentum")
    add("--weight-decay", type=float, default=Options.weight_decay, help="L2 penalty")
    add("--warmup", type=float, default=Options.warmup, metavar="EPOCHS", help="linear warm-up, then cosine decay")
    add("--clip", type=float, default=Options.clip, metavar="NORM", help="largest norm of the gradient; 0: any")
    add("--one-hot", action="store_true", help="targets are rows of probabilities, made by the loader")
    add("--label-smoothing", type=float, default=Options.label_smoothing, metavar="S", help="0 to 1")
    add("--mixup", type=float, default=Options.mixup, metavar="ALPHA", help="mix images, on the device; 0: no")
    add("--cutmix", type=float, default=Options.cutmix, metavar="ALPHA", help="or paste boxes of them; 0: no")
    add = parser.add_argument_group("machine").add_argument
    add("--device", default=Options.device, help="auto, cpu, cuda, cuda:1, ...")
    add("--no-amp", action="store_false", dest="amp", help="on CUDA: float32 instead of bfloat16 autocast")
    add("--seed", type=int, default=Options.seed, help="governs weights, order and augmentation")
    add("--deterministic", action="store_true", help="only algorithms that repeat their bits")
    add = parser.add_argument_group("files").add_argument
    add("--checkpoint", type=Path, metavar="FILE", help="written after each epoch")
    add("--save-every", type=_count, default=Options.save_every, metavar="STEPS", help="and after so many steps")
    add("--resume", type=Path, metavar="FILE", help="a checkpoint to go on from")
    add("--max-steps", type=_count, default=Options.max_steps, metavar="N", help="save and stop after these; 0: never")
    add("--log-dir", type=Path, metavar="DIR", help="write TensorBoard events")
    add("--eval", action="store_true", help="only measure the accuracy of --resume")
    options = Options(**vars(parser.parse_args(argv)))
    if not 0 <= options.label_smoothing < 1:
        parser.error("--label-smoothing must be in [0, 1)")
    if options.mixup < 0 or options.cutmix < 0 or (options.mixup and options.cutmix):
        parser.error("--mixup and --cutmix take a positive number, and exclude each other")
    if options.eval and options.resume is None:
        parser.error("--eval needs --resume FILE")
    if (options.max_steps or options.save_every) and options.checkpoint is None:
        parser.error("--max-steps and --save-every need --checkpoint FILE")
    return options


class _Formatter(argparse.ArgumentDefaultsHelpFormatter):
    def _get_help_string(self, action: argparse.Action) -> str | None:
        quiet = action.default is None or isinstance(action.default, bool)
        return action.help if quiet else super()._get_help_string(action)


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is negative")
    return value


def _positive(text: str) -> int:
    value = _count(text)
    if value == 0:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value
