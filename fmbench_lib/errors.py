"""The error tree, named after what each error means for the user of fmbench.

Every message is one line that says what is wrong, where, and what to do. `InputError` and its subclasses mean that
nothing was started (exit code 2); the others concern an experiment, a level or a run that is already under way.
"""

from __future__ import annotations

# The classes of failed requests. A failed request raises nothing; its record has exactly one of these.
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
    """Base of every error that fmbench raises deliberately; its text can be shown to the user as it is."""

    throttled = False
    """Whether a service only asks for patience: the same call may succeed later."""


class InputError(FmbenchError):
    """Something that the user gave cannot be used; nothing was started."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows for this error: IPython asks for it. The user's mistake is not in the code's calls."""
        return [f"{type(self).__name__}: {self}"]


class ModelChoiceError(InputError):
    """A server has several models and none was chosen, or not the one that was."""


class DataError(InputError):
    """A source, a column of it or a payload filter does not give prompts."""


class TokenizerError(InputError):
    """The tokenizer that a config names is not found or cannot be read."""


class TemplateError(InputError):
    """A prompt template is missing or does not fit its keys, or a chat template refuses a conversation."""


class PriceFileError(InputError):
    """A price file cannot be read, or an entry in it is not a price."""


class RunStateError(InputError):
    """A run directory cannot be used: it is not a run, is in use, or was made from another config."""


class DeployError(FmbenchError):
    """An experiment could not be deployed; the others continue."""


class ForbiddenError(DeployError):
    """AWS denies a call to the caller's role or user."""


class EndpointError(FmbenchError):
    """An endpoint does not answer a real request correctly."""


class CredentialsError(EndpointError):
    """AWS credentials are missing, or have expired and cannot be renewed, so requests cannot be signed."""


class PriceLookupError(FmbenchError):
    """A price could not be looked up and stays missing; other prices are unaffected."""


class StorageError(FmbenchError):
    """A bucket cannot be reached or refuses a call; the run's directory keeps everything measured."""


class DiskFullError(FmbenchError):
    """A disk, a quota or a limit leaves no room for what is to be written; what was written before stays."""


class ProtocolError(FmbenchError):
    """The bytes of a response violate its protocol."""


class WorkerError(FmbenchError):
    """A load worker died or could not be started; its level has no result."""


class NodeLostError(WorkerError):
    """A machine of a cluster does not answer any more: it, its process or the way to it is gone."""


class LevelStoppedError(FmbenchError):
    """A level was ended before its end; what was measured of it is kept, and the rest can be sent later.

    `reason` is that of its `Stop`, `kept` how many measured requests are kept.
    """

    def __init__(self, message: str, reason: str, kept: int) -> None:
        super().__init__(message)
        self.reason = reason
        self.kept = kept


def explained(error: BaseException) -> str:
    """An error in one line: an FmbenchError's own text; of any other its type, what it says, and where it arose."""
    if isinstance(error, FmbenchError):
        return str(error)
    said = " ".join(str(error).split())[:300]
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    code = None if trace is None else trace.tb_frame.f_code
    where = "" if code is None or trace is None else f" ({code.co_filename.rpartition('/')[2]}, line {trace.tb_lineno})"
    return type(error).__name__ + (f": {said}" if said else "") + where


class StepError(FmbenchError):
    """A notebook stopped at a cell; carries the step, the cell and the message."""

    def __init__(self, step: str, cell: int | None, message: str) -> None:
        self.step = step
        self.cell = cell
        self.message = message
        where = f"{step}, cell {cell}" if cell is not None else step
        super().__init__(f"{where}: {message}")
