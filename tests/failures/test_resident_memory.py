"""What a process still holds when a loader is gone: no thread's memory stays behind."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from repository import environment

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self")

SCRIPT = """
import gc, io, json, threading, warnings
import numpy as np
import torch
from PIL import Image
from torchvision import transforms as theirs
from pictures import png
import torchfeed
from torchfeed import datasets, transforms as T

warnings.simplefilter("ignore")
y, x = np.mgrid[:2000, :2200]
whole = Image.fromarray(np.stack([x % 256, y % 256, (x + y) % 256], -1).astype(np.uint8))
del x, y

def encoded(name, **options):
    # Up to 13 MB of pixels: less than what the allocator of the C library gives back by itself.
    files = []
    for height in (900, 1300, 1700, 2000):
        out = io.BytesIO()
        whole.crop((0, 0, height + 200, height)).save(out, name, **options)
        files.append(out.getvalue())
    return files * 4

def loads(files, transform, workers=16, size=1, **options):
    dataset = datasets.ImageList(files, range(len(files)), transform)
    for batch in torchfeed.DataLoader(dataset, size, num_workers=workers, shuffle=True, **options):
        pass

def indexes(files):
    dataset = datasets.ImageList(files, range(len(files)), T.PILToTensor())
    threads = [threading.Thread(target=dataset.__getitem__, args=(number,)) for number in range(len(files))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

jpeg, bmp = encoded("JPEG"), encoded("BMP")
progressive = encoded("JPEG", progressive=True)
interlaced = [png(1000, 1200, 8, 2, interlaced=True)] * 16
part = theirs.Compose([theirs.RandomHorizontalFlip(), lambda image: image.rotate(0), theirs.PILToTensor()])
kinds = {
    "jpeg": lambda: loads(jpeg, T.PILToTensor()),
    "progressive": lambda: loads(progressive, T.PILToTensor()),
    "interlaced": lambda: loads(interlaced, T.PILToTensor()),
    "pillow": lambda: loads(bmp, T.PILToTensor()),
    "in part": lambda: loads(jpeg[3:4] * 8, part, workers=0, size=4),
    "by index, pillow": lambda: indexes(bmp),
}

def resident():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 >> 20

loads(jpeg[:1], T.ToTensor())
loads(bmp[:1], T.ToTensor())
found = {}
for name, run in kinds.items():
    before = resident()
    found[name] = []
    for _ in range(2):
        run()
        found[name].append(resident() - before)
print(json.dumps(found))
"""


def test_large_images_leave_nothing_behind() -> None:
    """Megabytes more than before each kind, after each of some epochs of sixteen threads."""
    command = [sys.executable, "-c", SCRIPT]
    said = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300, check=True)
    found = json.loads(said.stdout)
    assert len(found) == 6
    assert all(grown < 80 for each in found.values() for grown in each), found
    assert all(each[1] - each[0] < 20 for each in found.values()), found
