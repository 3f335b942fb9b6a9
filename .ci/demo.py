"""Run every notebook of a folder in a real kernel and leave each as an HTML report.

    python .ci/demo.py notebooks out

A notebook runs where it stands, so that its relative paths hold, in the `python3` kernel of the
interpreter that runs this script, and is not changed: the executed copy and its HTML go to the
output folder. A cell that raises ends the demo with its traceback and a non-zero exit code, and the
report of the notebook as far as it came is left too, since that is what a person will want to see.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

TIMEOUT_S = 600  # a cell


def main() -> int:
    notebooks, out = Path(sys.argv[1]), Path(sys.argv[2])
    sources = sorted(notebooks.glob("*.ipynb"))
    if not sources:
        print(f"no notebook in {notebooks}/", file=sys.stderr)
        return 1
    out.mkdir(parents=True, exist_ok=True)
    return max(run(source, out) for source in sources)


def run(source: Path, out: Path) -> int:
    """Execute one notebook, leave `<name>.ipynb` and `<name>.html` in `out`; 0 if all is well."""
    began = time.monotonic()
    print(f"{source}: running", flush=True)
    notebook = nbformat.read(source, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT_S,
        kernel_name="python3",
        # ipykernel warns of unencrypted sockets, which here are the loopback's: errors still show
        extra_arguments=["--IPKernelApp.log_level=40"],
        resources={"metadata": {"path": str(source.parent)}},
    )
    failure: CellExecutionError | None = None
    try:
        client.execute()
    except CellExecutionError as error:
        failure = error
    nbformat.write(notebook, out / source.name)
    body, _ = HTMLExporter(embed_images=True).from_notebook_node(
        notebook, resources={"metadata": {"name": source.stem, "path": str(source.parent)}}
    )
    report = out / f"{source.stem}.html"
    report.write_text(body, encoding="utf-8")
    if failure is not None:
        print(f"{source}: a cell failed\n{failure}", file=sys.stderr)
    print(f"{source}: {time.monotonic() - began:.0f} s, report: {report.resolve()}", flush=True)
    return 0 if failure is None else 1


if __name__ == "__main__":
    sys.exit(main())
