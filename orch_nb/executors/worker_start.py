"""The script that a worker process is started with. It runs `worker`, of which the engine gives it
the code: a worker neither compiles nor imports anything of this package, whose folder may not be on
its path yet, and has no module of ours under a name that a task's own module may have."""

from __future__ import annotations

import marshal
import os
import sys

if __name__ == "__main__":
    pipes = [int(argument) for argument in sys.argv[1:5]]
    start = int(sys.argv[5])
    code = marshal.loads(os.pread(pipes[3], 1 << 24, start))  # noqa: S302  # from the engine
    sys.argv[1:] = []
    module = {"__name__": "orch_nb_worker", "__builtins__": __builtins__}
    exec(code, module)  # noqa: S102
    module["main"](pipes)  # type: ignore[operator]  # it is a function
