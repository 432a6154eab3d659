"""The tool that looks for circles among the modules of the Rust crates."""

from pathlib import Path

import pytest

from rust_modules import CRATES, arrows, circles

SHOWS = "mod first;\nmod second;\npub use second::{inner::Item, Other as Another};\n"


def crate(root: Path, **files: str) -> Path:
    for name, code in files.items():
        path = root / "src" / f"{name.replace('__', '/')}.rs"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    return root


@pytest.mark.parametrize(
    "needs", ["use super::first::A;", "fn f() -> crate::first::A {}", "use crate::{first::{self}, x};"]
)
@pytest.mark.parametrize(
    "needs_too",
    [
        "use super::second::inner;",
        "use crate::{second::{inner::B, C}};",
        "use crate::Item;",
        "use super::{a, Another};",
    ],
)
def test_a_circle_is_found(tmp_path: Path, needs: str, needs_too: str) -> None:
    found = arrows(
        crate(
            tmp_path,
            lib=SHOWS,
            first=needs_too,
            second__mod="mod inner;",
            second__inner=needs.replace("super", "crate"),
        )
    )
    assert list(circles(found)) == [((), ["first", "second", "first"])]


def test_what_is_no_circle(tmp_path: Path) -> None:
    """A module and its child know each other; comments, texts and tests do not count."""
    second = """
        mod inner; // use crate::first::A;
        use inner::B;
        const TEXT: &str = "crate::first";
        #[cfg(test)]
        mod tests { use crate::first::A; fn f() {} }
    """
    inner = "use super::B;"
    found = arrows(crate(tmp_path, lib=SHOWS, first="use crate::Item;", second__mod=second, second__inner=inner))
    assert list(circles(found)) == []


def test_the_crates_are_read() -> None:
    found = arrows(CRATES / "core")
    assert ("batch", "epoch") in found
    assert ("batch", "pipeline") in found["batch", "epoch"]
