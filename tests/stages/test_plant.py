from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from raysep import config as settings
from raysep.audio.files import encode, probe
from raysep.corpus import contamination, manifest
from raysep.corpus.inputs import Inputs
from raysep.corpus.layouts import stems_of
from raysep.corpus.manifest import Stem
from raysep.corpus.reading import read_stem
from raysep.decision.fusion import FEWEST_TRACKS
from raysep.decision.roles import Role
from raysep.rundir import Run
from raysep.stages import plant
from raysep.stages.plant import Planting

LABELS = settings.LABELS


def reference_of(count: int) -> list[Stem]:
    return [Stem(f"t{k}/{s}", f"t{k}", s, "", 8000, 1, 8, "", 0, "") for k in range(count) for s in LABELS]


def names(stems: list[Stem]) -> set[str]:
    return {s.track for s in stems}


@given(
    count=st.integers(1, 40),
    seed=st.integers(0, 99),
    unlearning=st.floats(0.05, 0.95),
    rest=st.floats(0.05, 0.95),
    least=st.integers(5, 12),
)
def test_the_parts_are_whole_tracks_that_never_overlap(count, seed, unlearning, rest, least):
    shares = {"unlearning": unlearning, "calibration": rest * (1 - unlearning), "least_tracks": least}
    config = settings.preset("smallest", {"seed": seed, "planting": shares})
    parts = plant.split(reference_of(count), config)
    assert sum(map(len, parts)) == count * len(LABELS)
    assert sorted(s for part in parts for s in part) == sorted(reference_of(count))
    assert sum(len(names(part)) for part in parts) == count
    if count < least:
        assert [len(names(part)) for part in parts] == [count, 0, 0]
    else:
        assert all(parts)
        assert len(names(parts[1])) >= FEWEST_TRACKS


def test_the_split_follows_from_seed_and_names_alone():
    config = settings.preset("full")
    first = [names(p) for p in plant.split(reference_of(20), config)]
    assert [names(p) for p in plant.split(reference_of(20)[::-1], config)] == first
    other = settings.preset("full", {"seed": 1})
    assert [names(p) for p in plant.split(reference_of(20), other)] != first
    assert [len(p) for p in first] == [8, 7, 5]  # 40 %, 35 % and the rest of twenty


@pytest.fixture
def reference(tmp_path, write_tracks):
    folder = write_tracks(tmp_path / "reference", [f"ref{k}" for k in range(6)], seconds=1.0)
    return stems_of(folder, LABELS, split="reference").stems


def test_planted_copies_are_corrupted_files_with_roles(reference, make_context):
    context = make_context(planting={"kinds": ["noise"], "copies": 2})
    planting = plant.plant(context, Inputs([], reference, []))
    assert names(planting.unlearning) | names(planting.calibration) < names(reference)
    injected = names(reference) - names(planting.unlearning) - names(planting.calibration)
    assert names(planting.planted) == {f"planted-{copy}-{track}" for copy in (0, 1) for track in injected}
    originals = {s.stem_id: s for s in reference}
    roles = planting.roles
    changed = 0
    for stem in planting.planted:
        origin = stem.track.split("-", 2)[2]
        written = read_stem(stem, 8000, 1)  # also checks the manifest row against the file
        before = read_stem(originals[f"{origin}/{stem.stem}"], 8000, 1)
        differs = bool(np.abs(written - before).max() > 2 / 32768)
        assert differs == (stem.stem_id in roles)
        if differs:
            assert roles[stem.stem_id] == ("planted", "noise", origin)
            changed += 1
    assert changed == pytest.approx(plant.PLANTED_SHARE * len(planting.planted), abs=len(LABELS))
    assert {i for i, role in roles.items() if role[0] == "calibration"} == {s.stem_id for s in planting.calibration}
    # Training sees calibration stems and corrupted copies, and no clean copy of either.
    assert {s.stem_id for s in planting.trained} == set(roles)


def test_the_copies_of_a_track_are_corrupted_differently(reference, make_context):
    context = make_context(planting={"kinds": ["noise"], "copies": 2})
    planting = plant.plant(context, Inputs([], reference, []))
    pairs = 0
    for stem in planting.planted:
        twin = stem.stem_id.replace("planted-0-", "planted-1-", 1)
        if stem.track.startswith("planted-0-") and {stem.stem_id, twin} <= set(planting.roles):
            audio = [
                context.run.read_bytes("planted", *i.split("/")[:-1], f"{stem.stem}.wav") for i in (stem.stem_id, twin)
            ]
            assert audio[0] != audio[1]
            pairs += 1
    assert pairs


@given(counts=st.tuples(*[st.integers(9, 15)] * 4), seed=st.integers(0, 20))
def test_every_part_of_a_pool_has_every_label(counts, seed):
    """Single stems, each a track of its own: dealt label by label."""
    pool = [
        Stem(f"{label}/{k}/{label}", f"{label}/{k}", label, "", 8000, 1, 8, "", 0, "")
        for label, count in zip(LABELS, counts, strict=True)
        for k in range(count)
    ]
    config = settings.preset("smallest", {"seed": seed})
    parts = plant.split(pool, config)
    assert [{s.stem for s in part} for part in parts] == [set(LABELS)] * 3
    few = [s for s in pool if s.stem != "bass" or s.track == "bass/0"]
    assert plant.split(few, config) == (few, [], [])


def test_single_stems_are_planted_as_single_stems(tmp_path, make_context):
    for place, label in enumerate(LABELS):
        (tmp_path / "pool" / label).mkdir(parents=True)
        for k in range(9):
            noise = 0.1 * np.random.default_rng([place, k]).standard_normal(8000 + 80 * (k + place))
            soundfile.write(tmp_path / "pool" / label / f"{label[0]}{k}.wav", noise, 8000)
    pool = stems_of(str(tmp_path / "pool"), LABELS).stems
    planting = plant.plant(make_context(planting={"kinds": ["swap"], "copies": 1}), Inputs([], pool, []))
    assert all(len(parts) == 1 for parts in manifest.tracks_of(planting.planted).values())
    originals = {s.stem_id: s for s in pool}
    swapped = [s for s in planting.planted if s.stem_id in planting.roles]
    assert swapped
    for stem in swapped:
        role = planting.roles[stem.stem_id]
        own = stem.track.removeprefix("planted-0-")
        assert role.kind == "swap"
        assert own in role.origin.split(" + ")  # whatever came together in a mix is one origin
        audio = read_stem(stem, 8000, 1)
        partners = [originals[f"{t}/{t.partition('/')[0]}"] for t in role.origin.split(" + ") if t != own]
        assert any(np.allclose(audio, read_stem(p, 8000, 1)[:, : audio.shape[1]], atol=1e-3) for p in partners)


def test_planting_is_done_once_and_the_same_everywhere(reference, make_context, tmp_path, monkeypatch):
    context = make_context()
    first = plant.plant(context, Inputs([], reference, []))

    def never(*arguments):
        raise AssertionError("planted twice")

    with monkeypatch.context() as patch:
        patch.setattr(plant, "_corrupt", never)
        assert plant.plant(context, Inputs([], reference, [])) == first
    files = {s.stem_id: context.run.read_bytes("planted", s.track, f"{s.stem}.wav") for s in first.planted}
    (tmp_path / "run").rename(tmp_path / "elsewhere")
    again = plant.plant(make_context(), Inputs([], reference[::-1], []))
    assert again == first
    assert files == {s.stem_id: context.run.read_bytes("planted", s.track, f"{s.stem}.wav") for s in again.planted}


def test_a_reference_too_small_to_calibrate_plants_nothing(reference, make_context):
    small = [s for s in reference if s.track in ("ref0", "ref1")]
    planting = plant.plant(make_context(), Inputs([], small, []))
    assert (planting.unlearning, planting.calibration, planting.planted, planting.roles) == (small, [], [], {})
    assert planting.trained == []
    assert manifest.tracks_of(planting.planted) == {}


# In which samples


def top_band(audio: np.ndarray) -> float:
    """Power above 0.75 of the Nyquist frequency, in dB relative to full scale."""
    spectrum = np.abs(np.fft.rfft(audio[0].astype(np.float64))) ** 2 / audio.shape[1] ** 2
    return 10 * np.log10(2 * spectrum[int(0.75 * len(spectrum)) :].sum() + 1e-30)


def low_tone(frames: int, seed: int) -> np.ndarray:
    """Noise below half of the Nyquist frequency and nothing above it, ``(1, time)``."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(frames))
    spectrum[len(spectrum) // 2 :] = 0
    return 0.1 * np.fft.irfft(spectrum, frames)[None].astype(np.float32)


FORMATS = {  # of a source → of what is planted
    ("WAV", "PCM_16"): "WAV/PCM_16",
    ("WAV", "PCM_24"): "WAV/PCM_24",
    ("WAV", "FLOAT"): "WAV/FLOAT",
    ("WAV", "DOUBLE"): "WAV/FLOAT",
    ("FLAC", "PCM_16"): "WAV/PCM_16",
    ("FLAC", "PCM_24"): "WAV/PCM_24",
    ("OGG", "VORBIS"): "WAV/FLOAT",
}


@pytest.fixture
def reference_as(tmp_path):
    """reference_as(container, subtype): nine tracks of band-limited noise, as they come out of a file of that format."""

    def write(container: str, subtype: str) -> list[Stem]:
        folder = tmp_path / f"{container}-{subtype}"
        for k in range(9):
            (folder / f"ref{k}").mkdir(parents=True)
            for place, label in enumerate(LABELS):
                data = encode(low_tone(8000, 10 * k + place), 8000, container, subtype)
                (folder / f"ref{k}" / f"{label}.{container.lower()}").write_bytes(data)
        return stems_of(str(folder), LABELS, split="reference").stems

    return write


@pytest.mark.parametrize(("container", "subtype"), list(FORMATS))
def test_planted_copies_carry_no_other_rounding_than_their_source(
    container, subtype, reference_as, make_context, monkeypatch
):
    """A fault that nobody hears (a change of gain, by far less than a step) is all that is planted."""
    reference, context = reference_as(container, subtype), make_context()

    def inaudible(name, audio, faults, rate, seed, loudest):
        rows = [{"stem_id": manifest.stem_id(name, fault.stem), "stem": fault.stem, "kind": "none"} for fault in faults]
        return {fault.stem: audio[fault.stem] * np.float32(1 + 1e-7) for fault in faults}, rows

    monkeypatch.setattr(contamination, "corrupt_track", inaudible)
    planting = plant.plant(context, Inputs([], reference, []))
    originals = {s.stem_id: read_stem(s, 8000, 1) for s in reference}
    assert planting.planted
    for stem in planting.planted:
        before, written = originals[f"{stem.track.split('-', 2)[2]}/{stem.stem}"], read_stem(stem, 8000, 1)
        data = context.run.read_bytes("planted", stem.track, f"{stem.stem}.wav")
        assert stem.format == probe(data, stem.uri).format == FORMATS[container, subtype]
        assert np.abs(written - before).max() < 1e-7
        assert top_band(written) == pytest.approx(top_band(before), abs=2.0)  # dB; 16 bits would add 70 to a float
        assert stem.bytes == len(data)


# Faults that are unlearned


def test_faults_that_are_unlearned_are_trained_on_and_are_no_evidence(reference_as, make_context):
    reference = reference_as("WAV", "PCM_16")
    usual = plant.plant(make_context(), Inputs([], reference, []))
    assert usual.noisy == frozenset()
    assert usual.noisy_tracks == []

    context = make_context(scoring={"unlearning": "noisy"})
    Path(context.run.path("done", "plant.json")).unlink()
    planting = plant.plant(context, Inputs([], reference, []))
    assert planting.planted == usual.planted
    assert planting.trained == usual.trained
    assert set(planting.roles) | planting.noisy == set(usual.roles)
    assert not set(planting.roles) & planting.noisy
    evidence = {origin for role, _, origin in planting.roles.values() if role == "planted"}
    forgotten = {s.track.split("-", 2)[2] for s in planting.noisy_tracks}
    assert evidence
    assert forgotten
    assert not evidence & forgotten
    assert len({s.track for s in planting.noisy_tracks}) == context.config.planting.copies * len(forgotten)
    assert {s.stem_id for s in planting.noisy_tracks} > planting.noisy
    record = context.run.read_json("done", "plant.json")
    assert record["noisy"] == len(planting.noisy)
    assert record["planted"] + record["noisy"] == len(usual.roles) - len(usual.calibration)


def test_which_faults_are_unlearned_follows_from_seed_and_names():
    config = settings.preset("smallest", {"scoring": {"unlearning": "noisy"}})
    origins = {f"song {k}" for k in range(7)}
    chosen = plant.noisy_origins(origins, config)
    assert len(chosen) == 3
    assert plant.noisy_origins({*sorted(origins, reverse=True)}, config) == chosen
    other = settings.preset("smallest", {"scoring": {"unlearning": "noisy"}, "seed": 5})
    assert plant.noisy_origins(origins, other) != chosen
    assert plant.noisy_origins({"one"}, config) == set()  # evidence comes first
    assert plant.noisy_origins(origins, settings.preset("smallest")) == set()


# Folds that rotate


@given(count=st.integers(5, 24), tracks=st.integers(1, 30), folds=st.integers(2, 5), seed=st.integers(0, 99))
def test_every_reference_stem_is_evidence_once_and_made_into_nothing_that_judges_it(count, tracks, folds, seed):
    config = settings.preset("smallest", {"seed": seed, "planting": {"folds": folds, "least_tracks": 5, "copies": 2}})
    reference = reference_of(count)
    corpus = [replace(s, track=f"c{s.track}", stem_id=f"c{s.stem_id}") for s in reference_of(tracks)]
    inputs = Inputs(corpus, reference, [])
    target, calibration, injected = plant.split(reference, config)
    assert target == calibration == injected == reference
    fold_of = plant.folds_of(inputs, config)
    assert plant.folds_of(Inputs(corpus[::-1], reference[::-1], []), config) == fold_of
    copies = [
        replace(s, track=name, stem_id=manifest.stem_id(name, s.stem))
        for s in reference
        for name in (plant.copy_name(0, s.track), plant.copy_name(1, s.track))
    ]
    roles = {s.stem_id: Role("calibration", "clean", s.track) for s in reference}
    roles |= {s.stem_id: Role("planted", "noise", s.track.split("-", 2)[2]) for s in copies if s.stem != "bass"}
    planting = Planting(target, calibration, copies, roles, frozenset(), fold_of)
    assert fold_of.keys() == names([*corpus, *reference, *copies])
    assert {s.stem_id for s in planting.trained} == set(roles)
    judged = [{track for track, fold in fold_of.items() if fold == each.number} for each in planting.folds]
    assert sum(map(len, judged)) == len(fold_of)
    for each, own in zip(planting.folds, judged, strict=True):
        assert names(each.target) == names(reference) - own
        assert names(each.noisy) == names(copies) - own
        assert names(each.target)
        assert own & names(reference)
        # A copy is judged where its song is: neither the song nor any copy of it made what judges them.
        assert {track.split("-", 2)[2] for track in own if track.startswith("planted-")} == own & names(reference)
    sizes = [len(own & names(corpus)) for own in judged]
    assert max(sizes) - min(sizes) <= 1


def test_where_folds_rotate_every_track_is_planted_and_every_stem_calibrates(reference, make_context):
    context = make_context(planting={"kinds": ["noise"], "copies": 1, "folds": 2}, scoring={"unlearning": "noisy"})
    planting = plant.plant(context, Inputs([], reference, []))
    assert planting.calibration == planting.unlearning == reference
    assert names(planting.planted) == {f"planted-0-{track}" for track in names(reference)}
    assert {s.stem_id for s in reference} <= set(planting.roles)
    # What is unlearned in one fold is evidence in the other: nothing need be kept from the decision.
    assert planting.noisy == frozenset()
    assert {role.origin for role in planting.roles.values() if role.role == "planted"} == names(reference)
    assert context.run.read_json("done", "plant.json")["folds"] == 2
    assert plant.plant(context, Inputs([], reference, [])) == planting


def test_a_reference_too_small_to_calibrate_does_not_rotate(reference, make_context):
    small = [s for s in reference if s.track in ("ref0", "ref1")]
    planting = plant.plant(make_context(planting={"folds": 2}), Inputs([], small, []))
    assert (planting.calibration, planting.fold_of) == ([], {})
    assert [(fold.number, fold.target) for fold in planting.folds] == [(None, small)]


def test_what_was_planted_is_found_where_the_run_is_now(reference, make_context, tmp_path):
    context = make_context()
    before = plant.plant(context, Inputs([], reference, [])).planted
    (tmp_path / "run").rename(tmp_path / "elsewhere")
    there = replace(context, run=Run(str(tmp_path / "elsewhere")))
    after = plant.plant(there, Inputs([], reference, [])).planted
    assert [stem.stem_id for stem in after] == [stem.stem_id for stem in before]
    assert {stem.uri.removeprefix(f"{there.run.root}/").partition("/")[0] for stem in after} == {"planted"}
    assert all(Path(stem.uri).is_file() for stem in after)


def test_a_song_whose_name_fills_all_that_a_file_system_allows_is_planted(tmp_path, write_tracks, make_context):
    longest = [f"{k}{chr(0x591C) * 84}" for k in range(6)]  # 253 bytes
    reference = stems_of(write_tracks(tmp_path / "reference", longest, seconds=0.5)).stems
    planted = plant.plant(make_context(planting={"least_tracks": 6}), Inputs([], reference, [])).planted
    assert planted
    assert all(Path(stem.uri).is_file() for stem in planted)
    assert {stem.track.rpartition("-")[2] for stem in planted} <= set(longest)
