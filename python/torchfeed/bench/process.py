"""The parent's side of a child process."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from .tasks import Job
from .usage import memory

__all__ = ["Failed", "Process"]

PATIENCE = 900.0  # seconds for one request
SAMPLE = 0.03  # seconds between looks at the memory


class Failed(Exception):  # noqa: N818  (it did)
    """A child could not do what it was asked to."""


class Process:
    """A child process, pinned to some cores, that measures one loader.

    Args:
        peer: the loader's name.
        job: what it is to do.
        cpus: the cores; `None` leaves the process where it is.
    """

    def __init__(self, peer: str, job: Job, cpus: Sequence[int] | None) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed with the process)
        self._child = subprocess.Popen(
            [sys.executable, "-m", "torchfeed.bench.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._answers: queue.Queue[str] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        try:
            self._ask({"peer": peer, "job": asdict(job), "cpus": cpus})
        except Failed:
            self.close()
            raise

    def ask(self, do: str, *, watch: bool = False, **given: Any) -> dict[str, Any]:
        """Has something done.

        Args:
            do: a method of the child's server.
            watch: whether to watch its memory meanwhile; the answer then has ``"memory"``, a peak in MB or `None`.
            given: arguments.

        Raises:
            Failed: it was not done; the message says why.
        """
        return self._ask({"do": do, **given}, watch=watch)

    def _ask(self, request: dict[str, Any], *, watch: bool = False) -> dict[str, Any]:
        assert self._child.stdin is not None, "it is a pipe"
        try:
            self._child.stdin.write(json.dumps(request) + "\n")
            self._child.stdin.flush()
        except OSError:
            raise Failed(self._last_words()) from None
        peak: float | None = None
        waited = 0.0
        step = SAMPLE if watch else PATIENCE
        while True:
            try:
                line = self._answers.get(timeout=step)
                break
            except queue.Empty:
                waited += step
                if waited >= PATIENCE:
                    raise Failed(f"no answer in {PATIENCE:.0f} s") from None
                now = memory(self._child.pid)
                peak = max(peak or 0.0, now) if now is not None else peak
        if not line:
            raise Failed(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return {**answer, "memory": peak} if watch else answer

    def _listen(self) -> None:
        assert self._child.stdout is not None, "it is a pipe"
        with self._child.stdout as answers:
            for line in answers:
                self._answers.put(line)
        self._answers.put("")

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().split("\n")
        said = next((line for line in reversed(lines) if line.strip()), "nothing")
        return f"the process ended (status {self._child.poll()}); it said: {said.strip()}"

    def close(self) -> None:
        """Ends the process."""
        assert self._child.stdin is not None, "it is a pipe"
        try:
            self._child.stdin.close()
            self._child.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            self._child.kill()
            self._child.wait()
        self._listener.join()
        self._errors.close()
