"""The rhythm tables hold what the composer can read."""

import pytest

from raysep.corpus.songs import grooves
from raysep.corpus.songs.styles import STYLES


def test_spans_hold_and_rest():
    assert grooves.spans("R-.-5--8") == [(0, 2, "R"), (4, 3, "5"), (7, 1, "8")]


@pytest.mark.parametrize("name", grooves.DRUMS)
def test_drum_lines_are_one_bar_of_known_strokes(name):
    lengths = {len(line) for line in grooves.DRUMS[name].values()}
    assert len(lengths) == 1
    assert lengths <= {12, 16}
    assert all(piece in grooves.KIT and set(line) <= set("Xxo?.") for piece, line in grooves.DRUMS[name].items())


def test_fills_have_the_length_of_their_bar():
    for steps, fills in grooves.FILLS.items():
        assert all(len(line) == steps for fill in fills for line in fill.values())


def test_figures_use_known_symbols():
    assert all(set(figure) <= set("R8357a-.") for figure in grooves.BASS.values())
    assert all(set(figure) <= set("Cc012345-.") for figure in grooves.COMP.values())


@pytest.mark.parametrize("style", STYLES, ids=lambda s: s.name)
def test_styles_only_name_rhythms_of_their_own_bar(style):
    assert all(len(next(iter(grooves.DRUMS[name].values()))) == style.steps for name in style.drums)
    assert all(len(grooves.BASS[name]) == style.steps for name in style.bass)
    assert all(len(grooves.COMP[f]) == style.steps for layer in style.layers for f in layer.figures)
    assert 60 <= style.tempo[0] < style.tempo[1] <= 160
