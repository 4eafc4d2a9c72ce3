"""Log text on its way to people."""

import pytest

from runs.log_text import plain_line, readable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain äöü 日本 🙂\ttab\nline", "plain äöü 日本 🙂\ttab\nline"),
        ("\x1b[2J\x1b]8;;http://x\x07", r"\e[2J\e]8;;http://x\x07"),
        ("a\rb\x08\x00\x7f\x9b", r"a\rb\b\0\x7f\x9b"),
        ("\u202eabc\u2066\u200f\u2028", r"\u202eabc\u2066\u200f\u2028"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_a_terminal_would_act_upon_is_shown(text: str, shown: str) -> None:
    assert readable(text) == shown


def test_a_text_of_several_lines_cannot_pass_for_another_entry() -> None:
    forged = plain_line(1, "t", "INFO", "load", "x\n      2 t ERROR   [load] forged")
    assert forged.splitlines()[1].startswith("    | ")
