"""The command `site`: a static site of all runs of a folder or bucket."""

from __future__ import annotations

import argparse
from pathlib import Path

from fmbench_lib.cli.runs_command import choice_of
from fmbench_lib.cli.terminal import detail, emit, masked, say, short_path
from fmbench_lib.runs.index.run_index import place_of_results
from fmbench_lib.runs.opening import default_results


def site_command(options: argparse.Namespace) -> int:
    """Write the site, and a line for each folder or file that is left out."""
    from fmbench_lib.steps.making_site import make_site

    place = place_of_results(options.results or default_results())
    into = Path(options.into).absolute()
    site = make_site(place, into, masked(options.title), choice_of(options), pages=not options.without_pages)
    for line in site.left_out:
        say(f"left out: {line}", error=True)
    detail(f"{site.runs} runs, {site.pages} with their own report")
    emit("site", page=str(site.page), runs=site.runs, pages=site.pages, left_out=list(site.left_out))
    say(f"site: {short_path(site.page)}")
    return 0
