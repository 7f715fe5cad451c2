"""Responses whose body came packed: unpacked read by read, so that their events keep the times they came at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fmbench_lib.errors import ProtocolError
from fmbench_lib.load.recording.parsed_response import ParsedResponse
from fmbench_lib.metrics.statistics.arrays import Integers
from fmbench_lib.predictors.content_coding import coding_of, unpacked_pieces


@dataclass(frozen=True, slots=True)
class UnpackedResponse:
    """A response with an unpacked body; `_body_ends` are its lengths after so many raw bytes, `_raw_ends`."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    complete: bool
    _body_ends: Integers
    _raw_ends: Integers

    def raw_offsets(self, body_offsets: Sequence[int]) -> Integers:
        """How many raw bytes had to arrive for so many first bytes of the body to be there, for each of the offsets."""
        return self._raw_ends[np.searchsorted(self._body_ends[:-1], body_offsets)]


def unpacked_response(response: ParsedResponse, read_ends: Sequence[int]) -> ParsedResponse | UnpackedResponse:
    """The response with its body unpacked, as it is if it is not packed.

    Raises ProtocolError for a coding that is not known, and for a damaged body.
    """
    coding = coding_of(response.headers)
    if not coding or not response.body:
        return response
    cuts = [0, *response.body_lengths_at(read_ends)]
    try:
        pieces, whole = unpacked_pieces([response.body[start:stop] for start, stop in pairwise(cuts)], coding)
    except ValueError as error:
        raise ProtocolError(str(error)) from None
    return UnpackedResponse(
        response.status,
        response.headers,
        b"".join(pieces),
        response.complete and whole,
        np.cumsum(np.fromiter(map(len, pieces), np.int64)),
        np.asarray(read_ends, np.int64),
    )
