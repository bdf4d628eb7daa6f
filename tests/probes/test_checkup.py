from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from small_audio import tones_and_noise

from raysep.audio.files import encode
from raysep.corpus import manifest
from raysep.corpus.layouts import stems_of
from raysep.outcome import Outcome
from raysep.probes.checkup import Checked, check_track, mixture_beside

RATE = 8000


@pytest.fixture
def folder(tmp_path, write_tracks) -> Path:
    write_tracks(tmp_path, ["A"])
    return tmp_path / "A"


def stems(folder: Path):
    return list(manifest.tracks_of(stems_of(str(folder.parent), on_problem="collect").stems)["A"].values())


def read(folder: Path) -> dict[str, np.ndarray]:
    return {stem.stem: soundfile.read(stem.uri, always_2d=True)[0] for stem in stems(folder)}


def write_mixture(folder: Path, audio: np.ndarray, rate: int = RATE) -> None:
    soundfile.write(folder / "mixture.wav", audio, rate)


def checked(folder: Path) -> Checked:
    """With the mixture file that lies beside the stems."""
    found = stems(folder)
    return check_track(found, mixture=mixture_beside(found))


def by_stem(found) -> dict[str, dict]:
    return {row["stem"]: row for row in found.rows}


def test_a_track_gives_a_row_and_a_fingerprint_for_each_stem_and_one_for_the_song(folder):
    found = check_track(stems(folder))
    assert set(found.prints) == {"", "vocals", "drums", "bass", "other"}
    assert all(len(bits) > 50 for bits, _ in found.prints.values())
    assert {row["outcome"] for row in found.rows} == {Outcome.SCORED}
    assert all(row["level_dbfs"] == pytest.approx(-20, abs=0.3) for row in found.rows)


def test_without_measures_the_fingerprints_are_the_same(folder):
    full, quick = check_track(stems(folder)), check_track(stems(folder), measures=False)
    assert all(np.array_equal(full.prints[name][0], quick.prints[name][0]) for name in full.prints)
    assert "level_dbfs" not in quick.rows[0]
    assert [row["peak"] for row in quick.rows] == [row["peak"] for row in full.rows]


def test_a_flac_whose_md5_does_not_hold_is_remarked_on_where_all_is_measured(folder):
    data, other = (encode(sign * tones_and_noise("bass", seconds=1.0), RATE, "FLAC") for sign in (1, -1))
    for label in ("vocals", "drums", "bass", "other"):
        (folder / f"{label}.wav").unlink()
        (folder / f"{label}.flac").write_bytes(data)
    (folder / "bass.flac").write_bytes(data[:26] + other[26:42] + data[42:])
    (folder / "mixture.flac").write_bytes((folder / "bass.flac").read_bytes())
    rows = by_stem(checked(folder))
    assert {label for label, row in rows.items() if row["remark"]} == {"bass", "mixture"}
    assert rows["bass"]["outcome"] == Outcome.SCORED
    assert "MD5" in rows["bass"]["remark"]
    assert not any(row["remark"] for row in check_track(stems(folder), measures=False).rows)


def test_the_mixture_beside_the_stems_is_compared_with_their_sum(folder):
    write_mixture(folder, sum(read(folder).values()))
    row = by_stem(checked(folder))["mixture"]
    assert row["residual_db"] < -60
    assert row["gain_db"] == pytest.approx(0, abs=0.01)


def test_a_late_stem_is_told_of_its_own_row(folder):
    audio = read(folder)
    write_mixture(folder, sum(audio.values()))
    soundfile.write(folder / "bass.wav", np.roll(audio["bass"], 40, axis=0), RATE)
    rows = by_stem(checked(folder))
    assert rows["mixture"]["residual_db"] > -30
    assert {label: row.get("lag") for label, row in rows.items() if row.get("lag")} == {"bass": 40 / RATE}


def test_a_mixture_in_stereo_of_stems_in_mono_is_compared(folder):
    write_mixture(folder, np.repeat(sum(read(folder).values()), 2, axis=1))
    assert by_stem(checked(folder))["mixture"]["residual_db"] < -60


def test_a_mixture_of_another_length_or_rate_is_said_not_compared(folder):
    write_mixture(folder, sum(read(folder).values())[:-100])
    row = by_stem(checked(folder))["mixture"]
    assert row.get("residual_db") is None
    assert "is not of its stems' length and rate (8000 Hz and 15900 samples" in row["message"]


def test_a_broken_stem_is_a_row_and_the_others_go_on(folder):
    found = stems(folder)
    (folder / "bass.wav").write_bytes((folder / "bass.wav").read_bytes()[:1000])
    (folder / "drums.wav").unlink()
    rows = by_stem(check_track(found))
    assert {name for name, row in rows.items() if row["outcome"] == Outcome.FAILED} == {"bass", "drums"}
    assert "truncated" in rows["bass"]["message"]
    assert set(check_track(found).prints) == {"", "vocals", "other"}


def test_a_track_without_a_readable_stem_has_no_fingerprint(folder):
    found = check_track([replace(stem, frames=stem.frames + 1) for stem in stems(folder)])
    assert found.prints == {}
    assert {row["outcome"] for row in found.rows} == {Outcome.FAILED}


def test_a_silent_stem_is_no_failure_and_has_no_vector(folder):
    from raysep.probes.embedders.logmel import LogMelEmbedder

    soundfile.write(folder / "bass.wav", np.zeros((2 * RATE, 1)), RATE)
    found = check_track(stems(folder), embedder=LogMelEmbedder(RATE))
    assert by_stem(found)["bass"]["outcome"] == Outcome.SILENT
    assert set(found.vectors) == {"vocals", "drums", "other"}
    assert len(found.prints["bass"][0]) == 0


def test_a_mixture_is_looked_for_beside_all_stems(folder):
    assert mixture_beside(stems(folder)) is None
    write_mixture(folder, sum(read(folder).values()))
    found = mixture_beside(stems(folder))
    assert found is not None
    assert (found.stem, found.frames, found.uri) == ("mixture", 2 * RATE, str(folder / "mixture.wav"))
    elsewhere = [replace(stem, uri=f"/other/{stem.stem}.wav") for stem in stems(folder)[:1]]
    assert mixture_beside([*stems(folder)[1:], *elsewhere]) is None  # stems of several folders have none of their own
