"""What can go wrong, named after what it means for the person who runs a benchmark.

Every message is one line that says what is wrong, where, and what to do. `InputError` and its kinds mean that nothing
was started (exit code 2); the others happen to one experiment, one level or one run that is already under way.
"""

from __future__ import annotations

# What a failed request is counted under; it raises nothing, and its record carries exactly one of these.
ERROR_CLASSES: tuple[str, ...] = (
    "dns",
    "connect",
    "tls",
    "timeout",
    "http_4xx",
    "http_429",
    "http_5xx",
    "truncated",
    "protocol",
    "decode",
    "endpoint",
    "empty",
    "cancelled",
)


class FmbenchError(Exception):
    """Base of every error that fmbench raises on purpose; its text is fit to be shown as it is."""


class InputError(FmbenchError):
    """What the user gave cannot be used; nothing was started."""


class DataError(InputError):
    """A source file, a dataset column or a payload filter does not give prompts."""


class TokenizerError(InputError):
    """The tokenizer that a config names cannot be had."""


class TemplateError(InputError):
    """A prompt template is missing or does not fit its keys."""


class PriceFileError(InputError):
    """A price file cannot be read or holds something that is no price."""


class RunStateError(InputError):
    """A run directory cannot be used for what was asked: not a run, in use, or made from another config."""


class DeployError(FmbenchError):
    """An experiment could not be deployed; the others go on."""


class ForbiddenError(DeployError):
    """AWS does not let the caller's role or user make a call."""


class EndpointError(FmbenchError):
    """An endpoint does not answer a real request as it should."""


class CredentialsError(EndpointError):
    """AWS credentials are missing, or have run out and cannot be renewed: no request can be signed."""


class PriceLookupError(FmbenchError):
    """A price could not be looked up; the others stay as they are, and this one stays missing."""


class StorageError(FmbenchError):
    """A bucket cannot be reached or refuses a call; what a run has measured stays in its directory."""


class ProtocolError(FmbenchError):
    """A response's bytes are not what the protocol allows."""


class WorkerError(FmbenchError):
    """A load worker died or could not be started; its level has no result."""


class StepError(FmbenchError):
    """A notebook stopped at a cell; carries the step, the cell and the message."""

    def __init__(self, step: str, cell: int | None, message: str) -> None:
        self.step = step
        self.cell = cell
        self.message = message
        place = f"{step}, cell {cell}" if cell is not None else step
        super().__init__(f"{place}: {message}")
