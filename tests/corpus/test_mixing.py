from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from raysep.corpus.mixing import ReferenceBank, clean_context, own_context
from raysep.errors import BadInput

LABELS = ("vocals", "drums", "bass")


@pytest.fixture
def bank() -> ReferenceBank:
    """Segment i of label number k holds the constant (i + 1) / 100 + k / 1000: its value tells which it is."""
    bank = ReferenceBank(LABELS)
    for k, label in enumerate(LABELS):
        bank.add(label, np.stack([np.full((2, 50), (i + 1) / 100 + k / 1000, np.float32) for i in range(20)]))
    return bank


def test_silent_segments_are_left_out():
    bank = ReferenceBank(LABELS)
    loud, silent = np.full((2, 50), 0.1, np.float32), np.zeros((2, 50), np.float32)
    assert bank.add("bass", np.stack([silent, loud, silent, loud])) == 2
    assert bank.add("bass", loud) == 1
    assert bank.add("bass", silent) == 0
    assert bank.count("bass") == 3
    assert bank.arrays()["bass"].shape == (3, 2, 50)
    assert set(bank.arrays()) == {"bass"}


def test_partners_are_of_the_other_labels_and_follow_the_name_alone(bank):
    first = bank.partners("A/vocals", 3, "vocals", seed=0)
    assert set(first) == {"drums", "bass"}
    again = bank.partners("A/vocals", 3, "vocals", seed=0)
    assert all(np.array_equal(first[label], again[label]) for label in first)
    draws = {bank.partners("A/vocals", i, "vocals", 0)["drums"][0, 0] for i in range(200)}
    assert len(draws) == 20  # every one is drawn
    assert any(
        not np.array_equal(
            bank.partners("A/vocals", i, "vocals", 1)["drums"], bank.partners("A/vocals", i, "vocals", 0)["drums"]
        )
        for i in range(5)
    )


def test_partners_are_drawn_independently_of_each_other(bank):
    pairs = {
        tuple(round(bank.partners("A/vocals", i, "vocals", 0)[label][0, 0] * 100) for label in ("drums", "bass"))
        for i in range(300)
    }
    assert len(pairs) > 150


def test_another_process_draws_the_same(bank):
    code = (
        "import numpy as np; from raysep.corpus.mixing import ReferenceBank\n"
        "b = ReferenceBank(('vocals', 'drums'), {'drums': np.arange(1, 101, dtype='f4')[:, None, None] / 100})\n"
        "print([float(b.partners('A/vocals', i, 'vocals', 5)['drums'][0, 0]) for i in range(10)])"
    )
    here = ReferenceBank(("vocals", "drums"), {"drums": np.arange(1, 101, dtype="f4")[:, None, None] / 100})
    expected = [float(here.partners("A/vocals", i, "vocals", 5)["drums"][0, 0]) for i in range(10)]
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == str(expected)


def test_a_bank_survives_its_arrays(bank):
    copy = ReferenceBank(LABELS, bank.arrays())
    for index in range(10):
        one, two = (b.partners("x", index, "bass", 7) for b in (bank, copy))
        assert all(np.array_equal(one[label], two[label]) for label in one)


def test_thinning_is_even_and_keeps_the_order(bank):
    thin = bank.thinned(5)
    assert [thin.count(label) for label in LABELS] == [5, 5, 5]
    values = thin.arrays()["vocals"][:, 0, 0] * 100
    assert np.rint(values).tolist() == [3, 7, 11, 15, 19]
    assert bank.thinned(100).count("bass") == 20


def test_a_label_without_segments_is_named():
    bank = ReferenceBank(LABELS)
    bank.add("drums", np.full((2, 50), 0.1, np.float32))
    with pytest.raises(BadInput, match="no audible segment of 'bass'"):
        bank.partners("A/vocals", 0, "vocals", 0)
    with pytest.raises(BadInput, match="label 'piano'"):
        bank.add("piano", np.ones((2, 50), np.float32))


def test_segments_of_one_label_have_one_shape(bank):
    with pytest.raises(ValueError, match="shape"):
        bank.add("bass", np.ones((2, 51), np.float32))


def test_the_clean_context_is_the_sum_and_does_not_depend_on_order():
    rng = np.random.default_rng(0)
    stems = {label: rng.standard_normal((2, 999)).astype(np.float32) for label in LABELS}
    one = clean_context(stems["bass"], "bass", {"drums": stems["drums"], "vocals": stems["vocals"]})
    two = clean_context(stems["vocals"], "vocals", {"bass": stems["bass"], "drums": stems["drums"]})
    assert np.array_equal(one, two)
    assert np.array_equal(one, own_context(stems))
    assert one.dtype == np.float32
    assert one == pytest.approx(np.sum(list(stems.values()), axis=0, dtype=np.float64), abs=1e-5)


def test_contexts_leave_their_inputs_alone():
    stems = {label: np.ones((1, 4), np.float32) for label in LABELS}
    assert own_context(stems).tolist() == [[3.0] * 4]
    assert all((audio == 1).all() for audio in stems.values())
    single = {"bass": stems["bass"]}
    assert own_context(single) is not stems["bass"]


def test_two_stems_of_the_judged_label_are_a_mistake():
    with pytest.raises(ValueError, match="bass"):
        clean_context(np.ones((1, 4), np.float32), "bass", {"bass": np.ones((1, 4), np.float32)})
