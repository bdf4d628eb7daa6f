"""Every message that docs/troubleshooting.md explains is one that the code can say."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROW = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text().partition("## Installing")[0]
QUOTED = ROW.findall(PAGE)


def template(node: ast.AST) -> str:
    """A text as it stands in the code, ``…`` where something is filled in; empty for what is no text."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(template(part) or "…" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return (template(node.left) or "…") + (template(node.right) or "…")
    return ""


@pytest.fixture(scope="module")
def said() -> list[str]:
    trees = [ast.parse(file.read_text()) for file in sorted((ROOT / "raysep").rglob("*.py"))]
    return [text for tree in trees for node in ast.walk(tree) if len(text := template(node)) > 20]


def is_said(message: str, said: list[str]) -> bool:
    wanted = re.compile(".*".join(map(re.escape, message.split("…"))), re.DOTALL)
    return any(wanted.search(text) for text in said)


def test_a_message_that_nobody_says_is_noticed(said):
    assert is_said("…: not audio that can be read (…)", said)
    assert not is_said("…: not audio that can be heard (…)", said)


@pytest.mark.parametrize("message", QUOTED)
def test_the_message_is_one_of_the_codes(message, said):
    assert is_said(message, said), message


def test_the_page_explains_messages():
    assert len(QUOTED) > 25
