"""The emulator's command line, `fmbench emulate`: every field of `Behaviour` is an option of the same name."""

from __future__ import annotations

import argparse
import ssl
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Protocol

from fmbench_lib.config.option_parser import OptionParser
from fmbench_lib.emulator.behaviour import Behaviour
from fmbench_lib.emulator.distributions import parse_distribution
from fmbench_lib.emulator.faults import parse_fault_rule
from fmbench_lib.emulator.server import Server
from fmbench_lib.emulator.wires.routes import make_wires
from fmbench_lib.errors import InputError
from fmbench_lib.host.printable import printable
from fmbench_lib.host.process_limits import allow_many_sockets, claim_priority

_DISTRIBUTIONS = {
    "ttft": "time to the first token, s: NUMBER, constant:MEAN, normal:MEAN,DEVIATION, lognormal:MEAN,DEVIATION "
    "or exponential:MEAN",
    "itl": "time between content events, s: like --ttft",
    "tokens": "tokens of an answer: like --ttft; a request's max_tokens cuts it",
}
_NUMBERS: dict[str, tuple[type[int] | type[float], str]] = {
    "tokens_per_event": (int, "tokens in each content event"),
    "reasoning_tokens": (int, "so many of an answer's tokens come first, as reasoning"),
    "slots": (int, "requests served at once, the others wait in order (default: no limit)"),
    "prefill_per_token": (float, "added to TTFT for each prompt token that is not cached, s"),
    "itl_per_sequence": (float, "added to ITL for each other request being served, s"),
    "drift": (float, "TTFT and ITL grow by this share per second since the first request"),
    "stall_at": (float, "the whole server freezes, once, so many seconds after the first request"),
    "stall_for": (float, "for so many seconds"),
    "cached_share": (float, "share of the prompt's tokens reported as cached"),
    "tail_delay": (float, "from the last content event to the end of the stream, s"),
    "seed": (int, "seed of everything random"),
}
_FLAGS = {
    "tokens_from_request": "an answer has exactly the request's max_tokens",
    "prompt_cache": "a prompt seen before is cached as a whole",
    "echo": "an answer starts with its prompt's [[echo:TEXT]], else with the prompt's last 40 characters",
}
_CHOICES = {
    "usage": (("asked", "always", "never"), "token counts in the answer (asked: as stream_options says)"),
    "head": (("at_once", "first_token"), "when a stream's status line is sent"),
    "framing": (("chunked", "close"), "how a stream's end is marked"),
}


def build_parser(prog: str = "fmbench emulate") -> OptionParser:
    """The parser; its defaults are those of `Behaviour`."""
    parser = OptionParser(
        formatter_class=argparse.HelpFormatter,
        prog=prog,
        description="An endpoint of known behaviour; it speaks every protocol, each at its paths, and keeps a ledger.",
    )
    default = Behaviour()
    for name, meaning in _DISTRIBUTIONS.items():
        parser.add_argument(
            _option(name), type=_typed(parse_distribution), default=getattr(default, name), help=meaning
        )
    for name, (kind, meaning) in _NUMBERS.items():
        parser.add_argument(_option(name), type=kind, default=getattr(default, name), help=meaning)
    for name, meaning in _FLAGS.items():
        parser.add_argument(_option(name), action="store_true", help=meaning)
    for name, (choices, meaning) in _CHOICES.items():
        parser.add_argument(_option(name), choices=choices, default=getattr(default, name), help=meaning)
    parser.add_argument("--model", default=default.model, help="the model's name")
    parser.add_argument(
        "--fault",
        action="append",
        type=_typed(parse_fault_rule),
        default=[],
        dest="faults",
        metavar="KIND[:KEY=VALUE,…]",
        help="what goes wrong, with rate=SHARE, every=N or numbers=N+N for which requests, and above=N for those that "
        "come while N others are under way; may be repeated",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any free one)")
    parser.add_argument("--certfile", type=Path, help="serve TLS with this certificate chain (PEM)")
    parser.add_argument("--keyfile", type=Path, help="the certificate's key, when it is in another file")
    parser.add_argument(
        "--ledger", type=Path, help="file for the ledger (default: a temporary one; GET /ledger reads it)"
    )
    parser.add_argument("--until-stdin-closes", action="store_true", help="stop when standard input ends")
    return parser


def behaviour_arguments(behaviour: Behaviour) -> list[str]:
    """The command line that produces this behaviour."""
    default = Behaviour()
    arguments: list[str] = []
    for item in fields(behaviour):
        value: Any = getattr(behaviour, item.name)
        if item.name == "faults":
            arguments += [f"--fault={rule}" for rule in behaviour.faults]
        elif item.name in _FLAGS:
            arguments += [_option(item.name)] if value else []
        elif value != getattr(default, item.name):
            arguments.append(f"{_option(item.name)}={value}")
    return arguments


def parse_behaviour(arguments: argparse.Namespace) -> Behaviour:
    """The behaviour described by parsed options. Raises InputError where they contradict each other."""
    values = {item.name: getattr(arguments, item.name) for item in fields(Behaviour)}
    return Behaviour(**{**values, "faults": tuple(arguments.faults)})


class Say(Protocol):
    """Prints one line."""

    def __call__(self, text: str, *, error: bool = False) -> None: ...


def _print(text: str, *, error: bool = False) -> None:
    print(printable(text), file=sys.stderr if error else sys.stdout, flush=True)


def main(argv: Sequence[str] | None = None, say: Say = _print) -> int:
    """Serve until SIGTERM or Ctrl-C. Prints one line with the address once it listens. Returns the exit code."""
    arguments = build_parser().parse_args(argv)
    try:
        behaviour = parse_behaviour(arguments)
        tls = _tls_context(arguments.certfile, arguments.keyfile)
        server = Server(behaviour, make_wires(behaviour), arguments.host, arguments.port, tls, arguments.ledger)
    except InputError as error:
        say(str(error), error=True)
        return 2
    host, port = server.address
    allow_many_sockets()
    claim_priority()
    server.stop_on_signals()
    say(f"listening on {'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}")
    if arguments.until_stdin_closes:
        server.stop_at_end_of(sys.stdin.fileno())
    server.run()
    return 0


def _tls_context(certfile: Path | None, keyfile: Path | None) -> ssl.SSLContext | None:
    if certfile is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certfile, keyfile)
    except (OSError, ssl.SSLError) as error:
        raise InputError(f"{certfile}: not a valid certificate and key for TLS: {error}") from None
    return context


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _typed(parse: Any) -> Any:
    """A text parser in the form that argparse expects: errors appear in its usage message."""

    def convert(text: str) -> Any:
        try:
            return parse(text)
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert
