from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from raysep.config import LABELS
from raysep.corpus import manifest
from raysep.corpus.inputs import Inputs, corpus_stems, flatter, mixed_down, read_inputs, size_of
from raysep.corpus.layouts import stems_of
from raysep.errors import BadInput


@pytest.fixture
def folders(tmp_path, write_tracks):
    return [
        write_tracks(tmp_path / name, (f"{name} 1", f"{name} 2"), seconds=0.2) for name in ("corpus", "trusted", "test")
    ]


def test_three_folders_are_three_lists(folders):
    found = read_inputs(*folders, LABELS)
    assert [len(part) for part in (found.corpus, found.reference, found.test)] == [8, 8, 8]
    assert {s.split for s in found.reference} == {"reference"}
    assert (found.sample_rate, found.channels) == (8000, 1)
    assert found.stem_seconds == pytest.approx(8 * 0.2)


def test_reference_and_test_may_be_left_out(folders):
    found = read_inputs(folders[0], None, None, LABELS)
    assert (found.reference, found.test) == ([], [])


def test_the_commonest_rate_and_the_widest_channels_decide(make_stems):
    stems = make_stems(["A", "B"]) + make_stems(["C"], rate=44100)
    unreadable = [replace(s, sample_rate=0, frames=0, channels=0) for s in make_stems(["D", "E", "F"])]
    found = Inputs(stems + unreadable, [], [])
    assert (found.sample_rate, found.channels) == (8000, 1)
    assert Inputs([*stems, replace(stems[0], channels=2)], [], []).channels == 2


def test_the_digest_is_of_content_not_of_place(folders, tmp_path):
    before = read_inputs(*folders, LABELS).digest()
    moved = [str(shutil.move(folder, tmp_path / f"moved-{k}")) for k, folder in enumerate(folders)]
    assert read_inputs(*moved, LABELS).digest() == before
    file = Path(moved[1]) / "trusted 1" / "bass.wav"
    file.write_bytes(file.read_bytes()[:-1] + b"\x7f")
    after = read_inputs(*moved, LABELS).digest()
    assert {key for key in before if before[key] != after[key]} == {"reference"}


# Leaks


@pytest.mark.parametrize(("option", "place"), [("--reference", 1), ("--test", 2)])
def test_a_track_of_the_corpus_is_refused_by_its_name(folders, option, place, write_tracks):
    write_tracks(Path(folders[place]), ["corpus 2"], seconds=0.2, seed=9)  # other audio under the same name
    with pytest.raises(BadInput, match=rf"^{option}: shares 1 tracks with the corpus \(corpus 2\)"):
        read_inputs(*folders, LABELS)


@pytest.mark.parametrize(("option", "place"), [("--reference", 1), ("--test", 2)])
def test_a_renamed_track_of_the_corpus_is_refused_by_its_content(folders, option, place):
    shutil.copytree(Path(folders[0]) / "corpus 2", Path(folders[place]) / "quite another name")
    with pytest.raises(BadInput, match=rf"^{option}: track quite another name holds the same audio as corpus 2"):
        read_inputs(*folders, LABELS)


def test_a_renamed_track_is_refused_although_two_of_its_stems_were_changed(folders, write_tracks):
    copy = Path(folders[1]) / "cover"
    write_tracks(Path(folders[1]), ["cover"], seconds=0.2, seed=5)
    for label in ("drums", "other"):
        shutil.copy(Path(folders[0]) / "corpus 1" / f"{label}.wav", copy / f"{label}.wav")
    with pytest.raises(BadInput, match="cover holds the same audio as corpus 1"):
        read_inputs(*folders, LABELS)


def test_a_test_track_may_not_come_from_the_reference(folders):
    shutil.copytree(Path(folders[1]) / "trusted 1", Path(folders[2]) / "renamed")
    with pytest.raises(BadInput, match=r"^--test: track renamed holds the same audio as trusted 1 of the reference"):
        read_inputs(*folders, LABELS)


def test_equal_silence_is_no_leak(folders):
    silent = Path(folders[0]) / "corpus 1" / "vocals.wav"
    silent.write_bytes(silent.read_bytes()[:44] + b"\0" * (silent.stat().st_size - 44))
    for label in ("vocals", "bass"):  # two stems, one content
        shutil.copy(silent, Path(folders[1]) / "trusted 1" / f"{label}.wav")
    assert len(read_inputs(*folders, LABELS).reference) == 8


# What cannot be read


def test_a_broken_file_is_a_row_of_the_corpus_and_an_error_in_what_is_trusted(folders):
    (Path(folders[0]) / "corpus 1" / "bass.wav").write_bytes(b"no audio")
    found = read_inputs(*folders, LABELS)
    assert [s.stem_id for s in found.corpus if not s.frames] == ["corpus 1/bass"]
    (Path(folders[1]) / "trusted 1" / "bass.wav").write_bytes(b"no audio")
    with pytest.raises(BadInput, match=r"trusted 1/bass\.wav"):
        read_inputs(*folders, LABELS)


def test_a_corpus_without_a_readable_file_is_refused(folders):
    for file in Path(folders[0]).glob("*/*.wav"):
        file.write_bytes(b"no audio")
    with pytest.raises(BadInput, match="none of its 8 stems can be read"):
        read_inputs(*folders, LABELS)


# Manifests


def test_a_manifest_is_as_good_as_its_folders(folders, tmp_path):
    scanned = corpus_stems(folders[0], LABELS)
    manifest.write(str(tmp_path / "m.parquet"), scanned)
    assert corpus_stems(str(tmp_path / "m.parquet"), LABELS) == scanned


@pytest.fixture
def listed(folders, tmp_path) -> list[str]:
    """The folders' manifests, each of the split ``train``, as `raysep scan` writes them."""
    places = [str(tmp_path / f"{Path(folder).name}.parquet") for folder in folders]
    for place, folder in zip(places, folders, strict=True):
        manifest.write(place, stems_of(folder).stems)
    return places


def test_whatever_is_read_may_be_a_manifest_and_gets_the_split_of_its_role(folders, listed, write_tracks, tmp_path):
    more = write_tracks(tmp_path / "more", ["more 1"], seconds=0.2)
    manifest.write(str(tmp_path / "more.parquet"), stems_of(more).stems)
    found = read_inputs(*listed, LABELS, str(tmp_path / "more.parquet"))
    assert found == read_inputs(*folders, LABELS, more)
    assert [s.split for s in (found.reference[0], found.test[0], found.validation[0])] == [
        "reference",
        "test",
        "validation",
    ]


@pytest.mark.parametrize("place", [1, 2])
def test_a_manifest_of_what_is_trusted_must_be_true(folders, listed, place):
    rows = stems_of(folders[place]).stems
    manifest.write(listed[place], [rows[0], *rows])
    with pytest.raises(BadInput, match=f"1 stems have more than one row, first {rows[0].track}/bass; keep one of each"):
        read_inputs(*listed, LABELS)
    manifest.write(listed[place], rows)
    Path(rows[0].uri).unlink()
    with pytest.raises(BadInput, match=rf"1 problem\n  {rows[0].uri}: cannot be read"):
        read_inputs(*listed, LABELS)


@pytest.mark.parametrize("place", [0, 1])
def test_an_empty_manifest_and_one_of_other_labels_are_refused(folders, place, tmp_path):
    def read(name: str):
        return read_inputs(*folders[:place], str(tmp_path / name), *folders[place + 1 :], LABELS)

    manifest.write(str(tmp_path / "empty.parquet"), [])
    with pytest.raises(BadInput, match=r"empty\.parquet: the manifest is empty"):
        read("empty.parquet")
    stems = [replace(s, stem="piano", stem_id=f"{s.track}/piano") for s in stems_of(folders[place]).stems[:1]]
    manifest.write(str(tmp_path / "m.parquet"), stems + stems_of(folders[place]).stems)
    with pytest.raises(BadInput, match="stems labelled piano"):
        read("m.parquet")


def test_two_stems_of_one_label_are_to_train_on_and_not_to_judge(folders, tmp_path):
    stems = stems_of(folders[0]).stems
    moved = [replace(s, stem="drums") if s.stem_id == "corpus 1/bass" else s for s in stems]
    path = str(tmp_path / "cleaned.parquet")
    manifest.write(path, moved)
    assert len(read_inputs(path, None, folders[2], LABELS).corpus) == 8
    with pytest.raises(
        BadInput, match=r"1 times a track has several stems of one label, first corpus 1 of 'drums'.*keep one"
    ):
        read_inputs(path, folders[1], None, LABELS)


# Stems that are missing, copies, and what is said


def test_a_track_may_lack_stems_wherever_it_lies_but_no_label_may_be_missing_altogether(folders):
    for folder in folders:
        next(Path(folder).glob("* 1/bass.wav")).unlink()
    said = []
    found = read_inputs(*folders, LABELS, say=said.append)
    assert [len(part) for part in (found.corpus, found.reference, found.test)] == [7, 7, 7]
    assert len(said) == 3
    assert f"note: {folders[0]}: 1 track without a stem of some label, first corpus 1 without bass" in said
    for place, told in ((0, folders[0]), (1, f"--reference {folders[1]}")):
        left = next(Path(folders[place]).glob("* 2/bass.wav"))
        data = left.read_bytes()
        left.unlink()
        with pytest.raises(BadInput, match=rf"^{told}: no readable stem of bass; .*--labels vocals,drums,other"):
            read_inputs(*folders, LABELS)
        left.write_bytes(data)


def test_copies_are_refused_in_the_reference_and_said_in_the_corpus(folders):
    shutil.copytree(Path(folders[0]) / "corpus 1", Path(folders[0]) / "corpus 1 (copy)")
    said = []
    assert len(read_inputs(*folders, LABELS, say=said.append).corpus) == 12
    assert "8 stems are equal files (silence may be), first corpus 1 (copy)/bass and corpus 1/bass" in said[0]
    shutil.copytree(Path(folders[1]) / "trusted 1", Path(folders[1]) / "trusted 1 (copy)")
    with pytest.raises(
        BadInput, match=r"^--reference .*trusted: 8 stems are copies of one another, first .*bass\.wav and"
    ):
        read_inputs(*folders, LABELS)


def test_a_single_stem_of_the_corpus_is_refused_by_its_content(tmp_path, write_tracks):
    corpus = write_tracks(tmp_path / "corpus", ["A", "B"], seconds=0.2)
    pool = tmp_path / "pool"
    for label in LABELS:
        write_tracks(pool, [label], seconds=0.2, labels=(f"take {label}",), seed=7)
    assert len(read_inputs(corpus, str(pool), None, LABELS).reference) == 4
    shutil.copy(Path(corpus) / "B" / "drums.wav", pool / "drums" / "leak.wav")
    with pytest.raises(BadInput, match=r"^--reference: track drums/leak holds the same audio as B of the corpus"):
        read_inputs(corpus, str(pool), None, LABELS)


def test_test_tracks_need_a_mixture(folders):
    for label in ("drums", "bass", "other"):
        for file in Path(folders[2]).glob(f"*/{label}.wav"):
            file.unlink()
    with pytest.raises(BadInput, match=r"^--test .*: no stems of two labels, so there is no mixture to separate"):
        read_inputs(*folders, LABELS)


def test_a_track_whose_stems_differ_in_length_fails_in_the_corpus_and_ends_a_run_elsewhere(folders, write_tracks):
    for folder in folders[:2]:
        write_tracks(Path(folder) / "more", ["x"], seconds=0.9, labels=("bass", "drums"), seed=3)
        write_tracks(Path(folder) / "more" / "y", ["x"], seconds=0.4, labels=("vocals",), seed=4)
        shutil.move(Path(folder) / "more" / "y" / "x" / "vocals.wav", Path(folder) / "more" / "x" / "vocals.wav")
    with pytest.raises(BadInput, match=r"trusted: 3 problems\n.*vocals\.wav: 3200 samples, .* has 7200"):
        read_inputs(*folders, LABELS)
    shutil.rmtree(Path(folders[1]) / "more")
    said = []
    found = read_inputs(*folders, LABELS, say=said.append)
    lost = [s for s in found.corpus if s.problem]
    assert [(s.stem_id, s.frames) for s in lost] == [(f"more/x/{label}", 0) for label in ("bass", "drums", "vocals")]
    assert "1 track not usable: " in said[0]


@pytest.mark.parametrize("labels", [("vocals", "other")])
def test_stems_are_summed_as_the_labels_say(folders, labels):
    sums = {"other": ("other", "bass", "drums")}
    found = read_inputs(*folders, labels, sums=sums)
    assert {s.stem for s in found.corpus} == set(labels)
    assert {len(s.parts) for s in found.corpus if s.stem == "other"} == {3}


def test_the_size_of_a_reference_is_that_of_its_rarest_label(make_stems):
    stems = make_stems(["A", "B", "C"])
    assert size_of(stems) == 3
    assert size_of([s for s in stems if s.stem_id != "A/bass"]) == 2
    assert size_of([]) == 0


def test_stems_of_more_than_two_channels_are_told_once(make_stems):
    stems = make_stems(["A", "B"])
    assert mixed_down(stems) == ""
    wide = [replace(s, channels=6 if s.stem == "bass" else 2) for s in stems]
    assert mixed_down(wide).startswith("2 stems have more than two channels, first A/bass (6): the mean of all")


def test_a_reference_of_a_lower_rate_than_the_corpus_is_said(tmp_path, write_tracks):
    corpus = write_tracks(tmp_path / "corpus", ["a", "b"], seconds=0.2, rate=16_000)
    low = write_tracks(tmp_path / "low", ["r"], seconds=0.2, rate=8_000, seed=3)
    high = write_tracks(tmp_path / "high", ["t"], seconds=0.2, rate=48_000, seed=4)
    told: list[str] = []
    read_inputs(corpus, low, high, LABELS, say=told.append)
    assert told == [
        "note: reference: 4 stems have a lower rate than the corpus (16000 Hz), first r/bass (8000 Hz): they hold nothing above "
        "4 kHz, by which stems that do may be judged"
    ]


def test_trusted_stems_without_width_beside_a_stereo_corpus_are_told(make_stems):
    mono, wide = make_stems(["r"]), [replace(stem, channels=2) for stem in make_stems(["s"])]
    assert flatter([*mono, *wide], 2).startswith("4 stems are mono, first r/bass, and the corpus is stereo")
    assert flatter(wide, 2) == flatter(mono, 1) == ""
