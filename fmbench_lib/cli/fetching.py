"""`fmbench fetch`: public data sets, brought to where configs look for them."""

from __future__ import annotations

import argparse

from fmbench_lib.cli.terminal import say


def fetch_command(options: argparse.Namespace) -> int:
    """Fetch a public data set; without a name, list those that there are."""
    from fmbench_lib.steps.run_inputs.public_data import fetch_set, list_of_sets, set_named

    if options.name is None:
        for line in list_of_sets():
            say(line)
        return 0
    fetched = fetch_set(set_named(options.name), options.into, prefix=options.prefix, rows=options.rows, say=say)
    for file in fetched:
        size = f"{file.origin.size_bytes:,} bytes"
        say(f"{file.path}: {'is there already' if file.was_there else 'fetched'}, {size}, {file.origin.licence}")
    return 0
