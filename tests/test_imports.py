"""Import paths, and what is said of one that leads nowhere."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from raysep.errors import BadInput
from raysep.imports import imported, load, registered

KNOWN = {"pi": "math:pi", "broken": "no_such_module:X"}


def test_a_path_leads_to_its_object():
    assert load("math:pi") is math.pi
    assert imported("os.path:join", "asked", "otherwise") is __import__("os").path.join


def test_a_name_is_looked_up_and_a_path_is_taken_as_it_is():
    assert registered("number", "pi", KNOWN, "one of your own") is math.pi
    assert registered("number", "math:e", KNOWN, "one of your own") is math.e


@pytest.mark.parametrize("name", ["tau", "", "math", "math.e"])
def test_what_is_neither_is_answered_with_the_names(name):
    with pytest.raises(BadInput) as error:
        registered("number", name, KNOWN, "one of your own as package.module:NAME")
    told = f"number {name!r}: not known; choose one of pi, broken, or give one of your own as package.module:NAME"
    assert str(error.value) == told


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("no_such_module:X", "ModuleNotFoundError"),
        ("math:no_such_name", "AttributeError"),
        ("math:", "AttributeError"),
        (":pi", "ValueError"),
        ("ends_here:X", "RuntimeError"),
    ],
)
def test_one_that_leads_nowhere_says_why_and_where_a_module_is_looked_for(tmp_path, monkeypatch, path, kind):
    (tmp_path / "ends_here.py").write_text("raise RuntimeError('on purpose')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BadInput) as error:
        imported(path, "thing 'x':", "otherwise")
    assert str(error.value).startswith(f"thing 'x': cannot be imported ({kind}: ")
    assert str(error.value).endswith("; is its module installed on every node, or its folder on PYTHONPATH?")


def test_it_loads_nothing_heavy():
    code = "import sys, raysep.imports; print([m for m in ('ray', 'torch', 'numpy', 'pyarrow') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
