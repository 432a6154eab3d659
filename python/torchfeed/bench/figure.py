"""Numbers as the tables have them."""

from __future__ import annotations

__all__ = ["figure"]


def figure(value: float) -> str:
    """Writes a number with three digits."""
    if value == 0:
        return "0"
    if value < 1:
        return f"{value:.2g}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{float(f'{value:.3g}'):,.0f}"
