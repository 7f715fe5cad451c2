"""`python -m fmbench_lib.emulator`."""

from __future__ import annotations

import sys

from fmbench_lib.emulator.options import main

if __name__ == "__main__":
    sys.exit(main())
