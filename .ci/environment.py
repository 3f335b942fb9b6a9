"""Write environment.yml from pyproject.toml, so that the dependencies are kept in one place.

    python .ci/environment.py environment.yml

Python itself comes from conda-forge and the packages from PyPI by pip, because graphviz-pure, which
brings `dot` along, is published there. `tests/test_house.py` fails when the file is out of date.
The idea is jupysql's.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

EXTRAS = ("demo", "lab")  # what a person needs to open and run the notebooks


def environment(project: dict[str, Any]) -> str:
    """The text of environment.yml for the `project` table of a pyproject.toml."""
    packages = list(project["dependencies"])
    for extra in EXTRAS:
        packages += project["optional-dependencies"][extra]
    lines = [
        "# Generated from pyproject.toml by `make environment`; do not edit.",
        f"name: {project['name']}",
        "channels:",
        "  - conda-forge",
        "dependencies:",
        f"  - python{project['requires-python']}",
        "  - pip",
        "  - pip:",
        *(f"      - {package}" for package in sorted(packages, key=str.lower)),
        "      - -e .",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    root = Path(__file__).resolve().parent.parent
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    Path(sys.argv[1]).write_text(environment(project), encoding="utf-8")


if __name__ == "__main__":
    main()
