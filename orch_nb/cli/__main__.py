"""`python -m orch_nb.cli`."""

import sys

from orch_nb.cli import main

if __name__ == "__main__":
    sys.exit(main())
