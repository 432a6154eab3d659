"""A recognised dataset: its samples, and what is done to each of them natively and in Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torchfeed import _native

from .common import Unrecognized
from .labels import Labels, read_labels
from .target import OneHotLevels, recognize_target
from .transform import Plan, recognize

__all__ = ["Leaf"]


@dataclass(frozen=True)
class Leaf:
    """A dataset that holds samples."""

    dataset: Any
    source: _native.Source
    targets: Sequence[Any]
    labels: Labels
    transform: Callable[[Any], Any] | None
    target_transform: Callable[[Any], Any] | None
    plan: Plan
    one_hot: OneHotLevels | None = None
    brings: Callable[[int], tuple[Any, Any]] | None = None
    """Where samples are not listed: what gives the file or the pixels of one, and its target."""
    joint: Callable[[Any, Any], Any] | None = None
    """A function of image and target at once, in the place of both transforms."""
    why: str = ""
    """What of this dataset runs in Python; empty if nothing does."""

    @classmethod
    def read(  # noqa: D102
        cls,
        dataset: Any,
        source: _native.Source,
        targets: Sequence[Any],
        transform: Callable[[Any], Any] | None,
        target_transform: Callable[[Any], Any] | None,
        *,
        brings: Callable[[int], tuple[Any, Any]] | None = None,
        joint: Callable[[Any, Any], Any] | None = None,
    ) -> Leaf:
        plan = recognize(
            None if joint else transform, source.channels, metadata=source.is_encoded or brings is not None
        )
        one_hot, why = None, plan.why
        if joint is not None:
            why = f"transforms, a function of image and target, runs in Python: {joint}"
            plan = replace(plan, wants_metadata=True)
        try:
            one_hot = recognize_target(target_transform)
        except Unrecognized as reason:
            why = why or str(reason)
        labels = read_labels(dataset, targets)
        why = why or labels.why(type(dataset).__name__, one_hot=one_hot is not None)
        return cls(dataset, source, targets, labels, transform, target_transform, plan, one_hot, brings, joint, why)

    def as_images(self, why: str) -> Leaf:
        """The same dataset, with every step from the first tensor on in Python, because of `why`."""
        plan = self.plan
        if self.joint is None:
            metadata = self.source.is_encoded or self.brings is not None
            plan = recognize(self.transform, self.source.channels, images=True, metadata=metadata)
        return replace(self, plan=plan, why=self.why or why)

    def finish(self, image: Any, target: Any) -> Any:
        """Does to a sample what is left to Python."""
        if self.joint is not None:
            return self.joint(image, target)
        for step in self.plan.rest:
            image = step(image)
        return image, target if self.target_transform is None else self.target_transform(target)

    def __len__(self) -> int:
        return len(self.source)
