from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from raysep.separators import registry
from raysep.training import in_memory, loop
from raysep.training.entry import Entry
from raysep.training.plan import Plan
from raysep.training.pool import SegmentPool
from raysep.training.recipe import Recipe
from raysep.training.source import Source

LABELS = ("vocals", "drums", "bass", "other")
RATE = 8000


@pytest.fixture
def plan(noise_stems) -> Plan:
    """One bass is drawn three times as often, another is never used, and of a third a second is left out."""
    special = {
        "A/bass": {"weight": 3.0},
        "B/bass": {"spans": ((0.5, 1.5),)},
    }
    return Plan(
        name="trained",
        stems=tuple(Entry(s, **special.get(s.stem_id, {})) for s in noise_stems if s.stem_id != "C/bass"),
        model="openunmix-joint",
        arguments={
            "stems": LABELS,
            "sample_rate": RATE,
            "channels": 1,
            "n_fft": 128,
            "hop": 64,
            "hidden": 8,
            "layers": 1,
        },
        recipe=Recipe(steps=5, batch=3, segment_seconds=0.4, warmup=1, seed=4, eps_root=1e-4, learning_rate=1e-2),
        out="/no/trained.safetensors",
        labels=LABELS,
    )


def streamed(plan: Plan) -> loop.TrainingState:
    """The same training as a worker of the cluster does it: one part, fed by a stream of pieces."""
    from raysep.cluster import fit, stream

    frames = 2 * plan.recipe.segment_seconds * RATE
    rows = [stream._decode({"entry": [pickle.dumps(e)]}, int(frames), RATE, 1, np.int16) for e in plan.stems]

    class Shard:
        def iter_batches(self, **options):
            yield from rows

    pool = SegmentPool(plan.labels, 10**9)
    source = Source(Shard(), pool, share=3, frames=int(frames) // 2, seed=plan.recipe.seed, part=0)
    source.fill()
    torch.manual_seed(plan.recipe.seed)
    network = registry.build(plan.model, **plan.arguments)
    first = [source.draw_only(plan.recipe.steps + k) for k in range(fit.STATISTICS_BATCHES)]
    network.set_input_statistics(torch.from_numpy(np.concatenate(first).sum(axis=1)))
    return loop.train(network, source.draw, plan.recipe)


def test_it_is_the_training_that_a_worker_of_the_cluster_does(plan):
    audio = in_memory.read(plan)
    training, _ = in_memory.unrolled(plan, audio)
    end = training.end(torch.ones(len(plan.stems)))
    trained = streamed(plan)
    expected = torch.cat([p.detach().flatten() for p in trained.network.parameters()])
    assert not torch.allclose(training.start.parameters, expected, atol=1e-3)
    torch.testing.assert_close(end.parameters, expected, rtol=1e-4, atol=1e-6)


def test_what_it_holds_is_known_beforehand(plan):
    whole = replace(plan, stems=tuple(entry for entry in plan.stems if not entry.spans))
    assert in_memory.bytes_of(whole.stems, RATE, 1) == in_memory.read(whole).pool.bytes
    assert in_memory.bytes_of(whole.stems, RATE // 2, 2) == 2 * in_memory.bytes_of(whole.stems, RATE, 1)  # float32


def test_it_counts_how_often_each_stem_was_drawn(plan):
    audio = in_memory.read(plan)
    training, drawing = in_memory.unrolled(plan, audio)
    assert drawing.times.sum() == 0  # the network's statistics are of no step
    training.end(torch.ones(len(plan.stems)))
    training.end(torch.ones(len(plan.stems)))  # the same steps again
    assert drawing.times.sum() == 5 * 3 * len(LABELS)
    of = dict(zip(audio.stem_ids, drawing.times, strict=True))
    for label in LABELS:
        assert sum(times for stem_id, times in of.items() if stem_id.endswith(label)) == 15


def test_a_stem_that_cannot_be_read_is_named_and_left_out(plan):
    broken = replace(plan.stems[0].stem, uri="/no/such.wav")
    audio = in_memory.read(replace(plan, stems=(Entry(broken), *plan.stems[1:])))
    assert list(audio.unread) == [broken.stem_id]
    training, drawing = in_memory.unrolled(plan, audio)
    training.end(torch.ones(len(plan.stems)))
    assert drawing.times[0] == 0
