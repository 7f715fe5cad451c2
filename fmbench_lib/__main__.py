"""`python -m fmbench_lib` is `fmbench`."""

from __future__ import annotations

import sys

from fmbench_lib.cli.commands import main

if __name__ == "__main__":
    sys.exit(main())
