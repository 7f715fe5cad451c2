"""The live view in a notebook: replaced in place where a person watches, lines where nobody does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fmbench_lib.steps.notebook_display import notebook_view
from fmbench_lib.steps.notebook_display.notebook_view import HandleView, PlainView, view_of_session
from tests.cli.level_facts import KEY, figures, published

ENDED = {"level": "one", **KEY, "number": 1, "count": 3, "figures": figures()}


class Frontend:
    """Keeps what a frontend was told to show."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []
        self.outputs = 0

    def display(self, bundle: dict[str, str]) -> Any:
        self.outputs += 1
        self.shown.append(bundle)
        return SimpleNamespace(update=lambda bundle, raw: self.shown.append(bundle))


def test_one_output_is_replaced_and_has_html_and_text() -> None:
    frontend, now = Frontend(), SimpleNamespace(seconds=0.0)
    view = HandleView(frontend.display, str, lambda: now.seconds)
    view.waits("preparing the levels")
    for seconds in (1.0, 1.1, 1.2, 2.0):
        now.seconds = seconds
        view.show(published(done=round(10 * seconds)))
    assert [bundle["text/plain"].partition(" requests")[0][-5:] for bundle in frontend.shown[1:]] == ["10/40", "20/40"]
    view.measured(ENDED)
    view.end()
    assert frontend.outputs == 1
    assert {*frontend.shown[-1]} == {"text/html", "text/plain"}
    assert "118/≈204 ms" in frontend.shown[-1]["text/html"]
    assert "level 1 of 3" not in frontend.shown[-1]["text/html"], "nothing is being measured any more"
    assert "preparing" in frontend.shown[0]["text/html"]


def test_a_frontend_that_has_gone_away_costs_nothing() -> None:
    def gone(bundle: Any) -> Any:
        raise RuntimeError("the connection is closed")

    view = HandleView(gone, str)
    view.show(published())
    view.failed({"level": "x", "number": 1, "count": 2, "error": "gone"})
    view.end()


def test_without_a_person_each_level_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    view = PlainView(lambda text: text.replace("one ·", "*** ·"))
    view.waits("preparing")
    view.show(published())
    view.measured(ENDED)
    view.failed({"level": "two", "number": 2, "count": 3, "error": "gone"})
    view.end()
    assert [line[:34] for line in capsys.readouterr().out.splitlines()] == [
        "level 1/3 *** · en_1-500 · concurr",
        "level 2/3 two: not measured: gone",
    ]


@pytest.mark.parametrize(("asks", "kind"), [(True, HandleView), (False, PlainView), (None, notebook_view.LevelView)])
def test_the_session_tells_whether_a_person_watches(
    asks: bool | None, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = SimpleNamespace(get_parent=lambda channel: {"content": {"allow_stdin": asks}})
    session = None if asks is None else SimpleNamespace(kernel=kernel)
    monkeypatch.setattr(notebook_view, "_session", lambda: session)
    run: Any = SimpleNamespace(redactor=SimpleNamespace(in_content=str))
    assert type(view_of_session(run)) is kind
