"""Responses whose body came packed: unpacked read by read, so that their events keep the times they came at."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from fmbench_lib.errors import ProtocolError
from fmbench_lib.load.sending.http import ParsedResponse
from fmbench_lib.predictors.content_coding import coding_of, unpacked_pieces


@dataclass(frozen=True, slots=True)
class UnpackedResponse:
    """A response with an unpacked body; `_body_ends` are its lengths after so many raw bytes, `_raw_ends`."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    complete: bool
    _body_ends: tuple[int, ...]
    _raw_ends: tuple[int, ...]

    def raw_offsets(self, body_offsets: Sequence[int]) -> list[int]:
        """How many raw bytes had to arrive for so many first bytes of the body to be there, for each of the offsets."""
        last = len(self._raw_ends) - 1
        return [self._raw_ends[bisect_left(self._body_ends, offset, 0, last)] for offset in body_offsets]


def unpacked_response(response: ParsedResponse, read_ends: Sequence[int]) -> ParsedResponse | UnpackedResponse:
    """The response with its body unpacked, as it is if it is not packed.

    Raises ProtocolError for a coding that is not known, and for a damaged body.
    """
    coding = coding_of(response.headers)
    if not coding or not response.body:
        return response
    cuts = [0, *(response.body_length_at(end) for end in read_ends)]
    try:
        pieces = unpacked_pieces([response.body[start:stop] for start, stop in pairwise(cuts)], coding)
    except ValueError as error:
        raise ProtocolError(str(error)) from None
    return UnpackedResponse(
        response.status,
        response.headers,
        b"".join(pieces),
        response.complete,
        tuple(accumulate(map(len, pieces))),
        tuple(read_ends),
    )
