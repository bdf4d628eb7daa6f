"""The sound font plays what is written."""

import numpy as np
import pytest

from raysep.audio.levels import rms_dbfs
from raysep.corpus.songs import renderer
from raysep.corpus.songs.grooves import KIT
from raysep.corpus.songs.score import Note, Part
from raysep.corpus.songs.styles import STYLES
from raysep.errors import BadInput

FONT = str(renderer.default_font())
RATE = renderer.RENDER_RATE


def loudest_frequency(audio: np.ndarray) -> float:
    """Hz of the strongest bin of a windowed spectrum, refined by a parabola through its logarithm."""
    mono = audio.mean(0)
    size = 8 * len(mono)
    level = np.log(np.abs(np.fft.rfft(mono * np.hanning(len(mono)), size)) + 1e-12)
    k = int(level.argmax())
    a, b, c = level[k - 1 : k + 2]
    return (k + 0.5 * (a - c) / (a - 2 * b + c)) * RATE / size


def tone(program: int = 80, pitch: int = 69, pan: float = 0.5, gain: float = 0.0) -> Part:
    return Part(program, (Note(0.1, 0.8, pitch, 0.8),), pan, gain)


@pytest.mark.parametrize("cents", [0.0, 40.0])
def test_pitch_and_tuning(cents):
    heard = loudest_frequency(renderer.render([tone(program=73)], 1.0, FONT, cents)[:, RATE // 4 : RATE * 3 // 4])
    assert abs(1200 * np.log2(heard / 440) - cents) < 12


def test_notes_start_where_they_are_written():
    part = Part(0, (Note(0.5, 0.3, 38, 1.0),), drums=True)
    mono = np.abs(renderer.render([part], 1.0, FONT)).max(0)
    first = np.flatnonzero(mono > 0.01 * mono.max())[0] / RATE
    assert 0.498 <= first < 0.52


def test_one_stem_leaves_nothing_in_the_next():
    before = renderer.render([tone()], 1.0, FONT)
    renderer.render([tone(program=48, pitch=40)], 0.5, FONT)
    np.testing.assert_array_equal(renderer.render([tone()], 1.0, FONT), before)


def test_pan_and_gain():
    left = renderer.render([tone(pan=0.1)], 1.0, FONT)
    assert rms_dbfs(left[:1]) > rms_dbfs(left[1:]) + 3
    quiet = renderer.render([tone(gain=-12.0)], 1.0, FONT)
    loud = renderer.render([tone(gain=0.0)], 1.0, FONT)
    assert rms_dbfs(loud) - rms_dbfs(quiet) == pytest.approx(12, abs=0.3)


def peaks(program: int, drums: bool, keys: list[int]) -> list[float]:
    """Peak of every key, struck one after the other with a pause between."""
    notes = tuple(Note(0.2 * i, 0.1, key, 0.8) for i, key in enumerate(keys))
    audio = renderer.render([Part(program, notes, drums=drums)], 0.2 * len(keys), FONT)
    return [float(np.abs(piece).max()) for piece in np.split(audio, len(keys), axis=1)]


def test_no_instrument_of_any_style_has_a_hole_in_its_range():
    ranges: dict[int, set[int]] = {}
    for style in STYLES:
        for program in style.bass_programs:
            ranges.setdefault(program, set()).update(range(28, 56, 3))
        for layer in style.layers:
            used = range(60, 86) if layer.role == "lead" else range(int(layer.centre) - 12, int(layer.centre) + 20, 3)
            for program in layer.programs:
                ranges.setdefault(program, set()).update(used)
    for program, keys in ranges.items():
        assert min(peaks(program, False, sorted(keys))) > 1e-3, program


def test_every_kit_has_every_piece():
    for kit in {k for style in STYLES for k in style.kits}:
        assert min(peaks(kit, True, sorted(KIT.values()))) > 1e-3, kit


def test_a_missing_font_names_the_remedy(tmp_path, monkeypatch):
    with pytest.raises(BadInput, match=r"nowhere\.sf2: no such sound font.*pip install"):
        renderer.load(str(tmp_path / "nowhere.sf2"))
    rubbish = tmp_path / "rubbish.sf2"
    rubbish.write_bytes(b"RIFF not a font")
    with pytest.raises(BadInput, match=r"rubbish\.sf2: not a sound font"):
        renderer.load(str(rubbish))
    monkeypatch.setattr(renderer.importlib.metadata, "files", lambda name: [])
    with pytest.raises(BadInput, match=r"TimGM6mb\.sf2 is not installed.*pip install"):
        renderer.default_font()


def test_a_missing_renderer_names_the_remedy(monkeypatch):
    import sys

    renderer.load.cache_clear()
    monkeypatch.setitem(sys.modules, "tinysoundfont", None)
    with pytest.raises(BadInput, match=r"tinysoundfont cannot be imported.*pip install"):
        renderer.load(FONT)
