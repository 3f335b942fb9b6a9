"""Fixtures of the kill harness. `ORCH_NB_KILLS=500` kills ten times as often as a normal run does,
and at every point there is; `ORCH_NB_SEED` is the seed that a failure names."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)
if HERE not in sys.path:  # the modules beside this one, which children import by name as well
    sys.path.insert(0, HERE)

from children import Scene, Stage  # noqa: E402
from verdict import judge  # noqa: E402

from orch_nb.model import event as ev  # noqa: E402

KILLS = int(os.environ.get("ORCH_NB_KILLS", "50"))
SEED = int(os.environ.get("ORCH_NB_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)


@pytest.fixture(scope="session")
def kills() -> int:
    return KILLS


@pytest.fixture
def dice(request) -> random.Random:
    """Random numbers of this test; those of another run are others, unless the seed is given."""
    print(f"ORCH_NB_SEED={SEED}")
    return random.Random(f"{SEED}:{request.node.name}")


@pytest.fixture(scope="session")
def stage():
    made = Stage()
    yield made
    made.close()


@pytest.fixture(scope="session")
def dying_stage(tmp_path_factory):
    """A stage whose children can die inside of the C library. Needs a C compiler and Linux."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("no C compiler for Linux here")
    shim = tmp_path_factory.mktemp("shim") / "dying.so"
    source = Path(HERE, "dying.c")
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", shim, source, "-ldl"], check=True)
    made = Stage(LD_PRELOAD=str(shim))
    yield made
    made.close()


class Play:
    """Runs of one shape on one executor, and what an uninterrupted one comes to."""

    def __init__(self, stage: Stage, folder: Path, shape: str, executor: str) -> None:
        self.stage, self.folder, self.shape, self.executor = stage, folder, shape, executor
        begun = time.monotonic()
        scene = self.scene()
        self.expected = scene.finish(scene.begin())
        #: Seconds from the order to the end.
        self.whole_s = time.monotonic() - begun
        self.expected = self.end(scene, self.expected, alone=True)
        failed = (e for e in scene.history() if isinstance(e, ev.AttemptFailed))
        self.expected["failures"] = Counter(e.task for e in failed if not e.cancelled)

    def scene(self) -> Scene:
        number = len(list(self.folder.iterdir())) if self.folder.exists() else 0
        scene = Scene(
            self.stage, self.folder / str(number), self.shape, executor=self.executor, workers=4
        )
        if self.shape == "cached":  # a run of yesterday, that left results
            scene.finish(scene.begin("warm"))
            (scene.folder / "effects").unlink()
        return scene

    def killed(self, dice: random.Random, moment_s: float | None = None) -> Scene:
        """A run that was killed before its end: at that moment, or at a random one of its life."""
        while True:
            scene = self.scene()
            after_s = dice.random() * self.whole_s if moment_s is None else moment_s
            if scene.kill(scene.begin(), after_s):
                return scene
            # It was quicker, as it may be on a machine that has less to do than before.
            self.whole_s *= 0.8

    def end(self, scene: Scene, told: dict | None = None, *, alone: bool = False) -> dict:
        """Bring a run to its end, and hold it to the laws."""
        told = told or scene.finish(scene.begin())
        if told["status"] == "waiting":
            told = scene.finish(scene.begin(options={"approve": ["gate"]}))
        judge(scene, told, None if alone else self.expected)
        return told


@pytest.fixture(scope="session")
def play(stage, tmp_path_factory):
    """`play("chain", "threads")`: made once, since the measure costs a run."""
    made: dict[object, Play] = {}

    def get(shape: str, executor: str = "threads", on: Stage = stage) -> Play:
        key = (shape, executor, id(on))
        if key not in made:
            folder = tmp_path_factory.mktemp(f"{shape}-{executor}")
            made[key] = Play(on, folder, shape, executor)
        return made[key]

    return get
