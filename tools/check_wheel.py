"""Installs a wheel alone into clean environments, and loads a folder of images there: ``check_wheel.py WHEEL``.

Before that, the wheel must carry the licences: torchfeed's own, and those of every crate in it.

For this Python, the environment holds the wheel and nothing else; the packages that torchfeed depends on are found
through a .pth file, since another 5 GB of torch would prove nothing about the wheel. For every other CPython >= 3.10
of the machine there is no torch to be found, so there the native half alone is loaded, and decodes the same folder:
that is what its stable ABI promises. A wheel for free-threaded CPython has none, and must leave the GIL off.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import os
import pickle
import re
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).parents[1]
Expected = list[tuple[str, tuple[int, int, int], bytes]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path, nargs="?")
    parser.add_argument("--inside", choices=["package", "native"], help="what the clean environments run")
    parser.add_argument("--folder", type=Path, help="the images; made when omitted")
    args = parser.parse_args()
    if args.inside:
        expected: Expected = pickle.loads((args.folder / "expected").read_bytes())
        {"package": load_with_package, "native": load_with_native}[args.inside](args.folder / "photos", expected)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        check_licences(args.wheel)
        make_images(folder)
        own = sys.version_info[:2]
        check(args.wheel, Path(sys.executable), folder, own)
        others = other_pythons() if "-abi3-" in args.wheel.name else {}
        for version, python in sorted(others.items()):
            if version != own:
                check(args.wheel, python, folder, version)


def check_licences(wheel: Path) -> None:
    """Looks for the licence files of the source tree in the wheel, and in them for the crates that it is built from."""
    wanted = {path.name: path.read_bytes() for path in ROOT.glob("LICENSE*")}
    with zipfile.ZipFile(wheel) as archive:
        folder = ".dist-info/licenses/"
        got = {name.partition(folder)[2]: archive.read(name) for name in archive.namelist() if folder in name}
    assert got == wanted, f"licences in the wheel: {sorted(got)}, in the source: {sorted(wanted)}"
    assert {"LICENSE", "LICENSE-APACHE", "LICENSE-MIT", "LICENSE-THIRD-PARTY"} <= got.keys()
    command = ["cargo", "tree", "--locked", "--package=torchfeed-py", "--edges=normal,no-proc-macro", "--prefix=none"]
    tree = subprocess.check_output([*command, "--format={p}"], cwd=ROOT, text=True)
    crates = {line.split()[0] for line in tree.splitlines() if "torchfeed" not in line.split()[0]}
    assert crates, "cargo tree names no crate"
    notices = got["LICENSE-THIRD-PARTY"].decode()
    unnamed = sorted(crate for crate in crates if not re.search(rf"\b{crate}\b", notices))
    assert not unnamed, f"LICENSE-THIRD-PARTY does not name {unnamed}"
    print(f"{wheel.name}: {len(got)} licence files, which name all {len(crates)} crates")


def check(wheel: Path, python: Path, folder: Path, version: tuple[int, ...]) -> None:
    """Makes an environment, installs the wheel into it, and loads the images there."""
    environment = folder / f"python{version[0]}.{version[1]}"
    run(python, "-m", "venv", "--without-pip", environment)
    inside = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run(sys.executable, "-m", "pip", "--quiet", "--python", inside, "install", "--no-deps", "--no-index", wheel)
    what = "native"
    if version == sys.version_info[:2]:
        what = "package"
        site = subprocess.check_output(
            [inside, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
        ).strip()
        Path(site, "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    # Isolated: neither this folder nor the caller's environment variables are looked at.
    run(inside, "-I", Path(__file__).resolve(), "--inside", what, "--folder", folder)


def run(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True)


def other_pythons() -> dict[tuple[int, ...], Path]:
    """Finds the CPythons >= 3.10 on the PATH and in pyenv that have a GIL."""
    names = [Path(folder, f"python3.{minor}") for folder in os.get_exec_path() for minor in range(10, 20)]
    found = {}
    for python in [*names, *Path.home().glob(".pyenv/versions/3.*/bin/python")]:
        code = "import sys, sysconfig as c; gil = not c.get_config_var('Py_GIL_DISABLED'); "
        code += "print(sys.implementation.name if gil else '', *sys.version_info[:2])"
        if not python.is_file():
            continue
        said = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False).stdout.split()
        if said[:1] == ["cpython"] and (version := tuple(map(int, said[1:]))) >= (3, 10):
            found[version] = python
    return found


def make_images(folder: Path) -> None:
    """Writes an ImageFolder, and what Pillow decodes from it."""
    from PIL import Image  # noqa: PLC0415  (not there in the environments without torch)

    expected: Expected = []
    for number in range(8):
        path = folder / "photos" / f"class{number // 4}" / f"{number}.{'png' if number % 4 == 3 else 'jpg'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.effect_noise((40 + 7 * number, 60 - 3 * number), 50)
        Image.merge("RGB", [image, image.rotate(90, expand=False), image.rotate(180)]).save(path)
        with Image.open(path) as file:
            expected.append((str(path), (file.height, file.width, 3), file.convert("RGB").tobytes()))
    (folder / "expected").write_bytes(pickle.dumps(expected))


def load_with_package(photos: Path, expected: Expected) -> None:
    import torch  # noqa: PLC0415

    import torchfeed  # noqa: PLC0415
    from torchfeed import transforms  # noqa: PLC0415

    assert Path(torchfeed.__file__).is_relative_to(sys.prefix), f"imported {torchfeed.__file__}, not the wheel"
    dataset = torchfeed.datasets.ImageFolder(photos, transforms.PILToTensor())
    loader: Any = torchfeed.DataLoader(dataset, batch_size=1, num_workers=2)
    assert len(loader) == len(expected)
    for (images, labels), (path, size, pixels) in zip(loader, expected, strict=True):
        assert (images[0].permute(1, 2, 0).shape, images[0].permute(1, 2, 0).numpy().tobytes()) == (size, pixels), path
        assert labels.item() == dataset.class_to_idx[Path(path).parent.name]
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        is_gil_enabled: Any = getattr(sys, "_is_gil_enabled")  # noqa: B009  (which other Pythons have not)
        assert not is_gil_enabled(), "something turned the GIL on"
    print(f"Python {sys.version.split()[0]}, torch {torch.__version__}: torchfeed {torchfeed.__version__} loads it")


def load_with_native(photos: Path, expected: Expected) -> None:
    files = importlib.metadata.files("torchfeed") or []
    path = next(file.locate() for file in files if file.name.startswith("_native") and file.suffix in {".so", ".pyd"})
    spec = importlib.util.spec_from_file_location("torchfeed._native", str(path))
    assert spec is not None
    assert spec.loader is not None
    native: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(native)
    source, labels, _ = native.scan(str(photos), [("class0", 0), ("class1", 1)], (".jpg", ".png"))
    settings = SimpleNamespace(
        channels=3,
        dtypes=[(1, 8)],
        one_hot=None,
        channels_last=False,
        cheaper_first=True,
        fast=False,
        limits=importlib.import_module("torchfeed.limits").Limits(max_pixels=10**6),
        fallback=None,
        fallback_limits=(10**6, 2**20, 2**26),
        row_indexes=None,
        memory=None,
    )
    dataset = native.Dataset(source, native.Labels(labels), [([], bytes(range(256)) * 3)])
    pipeline = native.Pipeline([dataset], settings)
    assert [pipeline.image(index) for index in range(len(source))] == [(size, pixels) for _, size, pixels in expected]
    print(f"Python {sys.version.split()[0]}, without torch: torchfeed._native decodes the folder")


if __name__ == "__main__":
    main()
