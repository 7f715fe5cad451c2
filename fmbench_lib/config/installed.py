"""What other installed packages add, by entry point: the names in a group, and the object behind one of them."""

from __future__ import annotations

from typing import Any

from fmbench_lib.errors import InputError


def installed_names(group: str) -> tuple[str, ...]:
    """The names that installed packages add to an entry point group, sorted, each once."""
    from importlib.metadata import entry_points

    return tuple(sorted({point.name for point in entry_points(group=group)}))


def load_installed(group: str, name: str, kind: str) -> Any | None:
    """The object that an installed package adds to a group under a name; None if no package does.

    :param kind: what the object is, as an error calls it: "protocol", "platform".
    :raises InputError: it cannot be imported.
    """
    from importlib.metadata import entry_points

    for point in entry_points(group=group, name=name):
        try:
            return point.load()
        except Exception as error:  # a package may fail to import in any way; its user is told how
            reason = f"{type(error).__name__}: {error}".strip(": ")
            raise InputError(f"{kind} {name}: {point.value} cannot be imported: {reason}") from error
    return None
