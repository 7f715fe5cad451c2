"""An address as people type it, as the parts of one that can be asked."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from fmbench_lib.config.web_address import fault_of_address
from fmbench_lib.errors import InputError

WITH_PASSWORD = (
    'give both by a variable, KEY="Basic $(printf %s USER:PASSWORD | base64)", that is named with --api-key-env KEY'
)
"""How a user name and password are given."""
_USUAL = "write it as http://host:8000/v1"


def typed_address(url: str) -> SplitResult:
    """The parts of an address: with http:// where no scheme is given, without doubled and last slashes in its path and
    without a fragment.

    Raises InputError for what is no address, and for one that holds a user name or password.
    """
    address = url.strip()
    if re.match(r"https?(:/?|//)[^/:]", address, re.IGNORECASE):  # with a slash or colon too few
        meant = re.sub(r"^(https?)(:/?|//)", r"\1://", address, flags=re.IGNORECASE)
        raise InputError(f"--url {url} is not an address: did you mean {meant}?")
    if "://" not in address:
        address = f"http://{address}"
    scheme, _, rest = address.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        raise InputError(_credentials(scheme, authority.rpartition("@")[2]))
    if re.fullmatch(r"[0-9a-fA-F.]*:[0-9a-fA-F.]*:[0-9a-fA-F:.]*", authority):
        raise InputError(f"--url {url} is not an address: write an IPv6 address in brackets, http://[::1]:8000/v1")
    if scheme.lower() not in ("http", "https") or not authority or re.search(r":.*:", authority.rpartition("]")[2]):
        raise InputError(f"--url {url} is not an address: {_USUAL}")
    fault = fault_of_address(f"{scheme.lower()}://{rest}")
    if fault is not None:
        raise InputError(f"--url {url} {fault}")
    parts = urlsplit(address)
    return parts._replace(path=re.sub(r"//+", "/", parts.path).rstrip("/"), fragment="")


def _credentials(scheme: str, host: str) -> str:
    """What to do with an address whose user name or password files of the run would keep; it repeats neither."""
    return (
        f"--url {scheme}://…@{host} holds a user name or password, which files of the run would keep: leave it out, "
        f"and {WITH_PASSWORD}"
    )
