"""What a scoring worker holds: networks, clean partners, references. Plain files in, plain files out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property

import numpy as np

from raysep.audio.levels import SILENCE_DBFS
from raysep.corpus.mixing import ReferenceBank
from raysep.errors import BadInput
from raysep.probes import catalogue
from raysep.probes.embedders import registry
from raysep.probes.embedders.base import Embedder, audible_frames
from raysep.probes.fad.reference import LabelReference
from raysep.probes.likeness import LIKENESSES, Likeness
from raysep.probes.per_track import PerTrack
from raysep.probes.probe import NETWORKS, PER_TRACK, Probe
from raysep.separators.base import Separator


@dataclass(frozen=True)
class ScoringOptions:
    """What decides a score beside the kit's contents."""

    segment_frames: int  # samples of a segment
    sample_rate: int  # Hz of all audio handed to the pass
    most_segments: int | None = None  # per stem, spread evenly
    seed: int = 0  # draws the clean partners
    rho: float = 1e-3  # relative step between ``plus`` and ``minus``
    unlearning_sign: float = 1.0  # -1 where what was unlearned is known to be wrong: then the most affected are suspect
    silence: float = SILENCE_DBFS  # dBFS; quieter segments are not scored
    embedder: str = registry.DEFAULT  # of the frames that distances are between
    embedder_weights: str = ""  # where it has its weights from; "" = its own, and of ``separator`` the kit's network
    embedder_digest: str = ""  # of the weights that the references were made with; "" = not known
    batch: int = 4  # segments in a forward pass: on a CPU larger ones leave the cache and take half as long again
    probes: tuple[str, ...] = ()  # of your own, by import path, beside the catalogue's


@dataclass
class ScoringKit:
    """Any network may be absent, and then its probes are: see ``catalogue``. Without ``fad`` there are no distances.

    Raises ``BadInput`` for networks that the pass does not know or that differ in their stems, and for a probe of
    ``options.probes`` that cannot be imported here.
    """

    networks: dict[str, Separator]
    bank: ReferenceBank | None
    options: ScoringOptions
    fad: dict[str, LabelReference] = field(default_factory=dict)
    per_track: PerTrack | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        if unknown := self.networks.keys() - set(NETWORKS):
            raise BadInput(f"networks {', '.join(sorted(unknown))}: the pass knows {', '.join(NETWORKS)}")
        if len({network.stems for network in self.networks.values()}) > 1:
            raise BadInput(
                "the scoring networks separate different stems: " + str({k: v.stems for k, v in self.networks.items()})
            )
        catalogue.probes_of(self.options.probes)  # imported now: a worker that cannot shall not begin
        for network in self._all_networks:
            network.eval()  # batch statistics and dropout play no part in a score

    @property
    def labels(self) -> tuple[str, ...]:
        """Stem labels that can be scored, in the networks' order."""
        return next(iter(self.networks.values())).stems if self.networks else tuple(sorted(self.fad))

    @cached_property
    def embedder(self) -> Embedder:
        """Its weights are loaded on first use: once in each worker. Raises ``BadInput`` when they are not those of ``fad``."""
        options = self.options
        if options.embedder == "separator" and not options.embedder_weights and "final" in self.networks:
            from raysep.probes.embedders.bottleneck import SeparatorEmbedder

            embedder: Embedder = SeparatorEmbedder(self.networks["final"])
        else:
            embedder = registry.build(options.embedder, options.sample_rate, options.embedder_weights)
        if options.embedder_digest not in ("", embedder.weights_digest):
            raise BadInput(
                f"{options.embedder_weights or options.embedder}: these weights ({embedder.weights_digest[:12]}) are not those "
                f"that the reference was made with ({options.embedder_digest[:12]}); put them back, or begin another run"
            )
        return embedder.to(self.device)

    @property
    def entries(self) -> tuple[Probe, ...]:
        """The probes that ``score_track`` takes: those of which everything is there that they declare."""
        known = catalogue.probes_of(self.options.probes)
        return tuple(known[name] for name in catalogue.available(self._names, bool(self.fad), known))

    @property
    def probes(self) -> tuple[str, ...]:
        """The columns that ``score_track`` gives."""
        return tuple(probe.name for probe in self.entries)

    @property
    def likenesses(self) -> tuple[Likeness, ...]:
        """What ``score_track`` can say of what a stem is like, beside its probes."""
        return tuple(each for each in LIKENESSES.values() if each.available(self.networks, bool(self.fad)))

    @property
    def forward_passes(self) -> float:
        tracks = len(self.per_track.networks) if self.per_track else 0
        known = catalogue.probes_of(self.options.probes)
        return catalogue.forward_passes(self._names, len(self.labels), tracks, known)

    @property
    def _names(self) -> set[str]:
        return {*self.networks} | ({PER_TRACK} if self.per_track else set())

    @property
    def _all_networks(self) -> list[Separator]:
        return [*self.networks.values(), *(self.per_track.networks if self.per_track else ())]

    def to(self, device: str) -> ScoringKit:
        """The same kit with its networks on another device."""
        for network in self._all_networks:
            network.to(device)
        self.device = device
        self.__dict__.pop("embedder", None)
        return self

    def to_files(self) -> dict[str, bytes]:
        """Relative path → content; read back by ``from_files``. Nothing is pickled."""
        from safetensors.numpy import save

        from raysep.separators.checkpoint import Checkpoint, to_bytes
        from raysep.separators.registry import describe

        files = {
            "options.json": json.dumps(
                {**asdict(self.options), "labels": self.bank.labels if self.bank else self.labels}, indent=1
            ).encode()
        }
        held = {f"networks/{name}": network for name, network in self.networks.items()}
        if self.per_track:
            held |= {f"per-track/{number:05d}": network for number, network in enumerate(self.per_track.networks)}
            files["ranks.safetensors"] = save(dict(self.per_track.known))
        for name, network in held.items():
            model, arguments = describe(network)
            weights = {key: value.cpu() for key, value in network.state_dict().items()}
            files[f"{name}.safetensors"] = to_bytes(Checkpoint(model, arguments, weights, None, 0, {}))
        if self.bank:
            files["bank.safetensors"] = save(self.bank.arrays())
        return files | {f"fad/{label}.npz": reference.to_bytes() for label, reference in self.fad.items()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> ScoringKit:
        from safetensors.numpy import load

        from raysep.separators.checkpoint import from_bytes, network_of

        options = json.loads(files["options.json"])
        labels = options.pop("labels")
        options["probes"] = tuple(options.get("probes", ()))
        bank = ReferenceBank(labels, load(files["bank.safetensors"])) if "bank.safetensors" in files else None
        networks = {
            _stem_of(p): network_of(from_bytes(data, p)) for p, data in files.items() if p.startswith("networks/")
        }
        fad = {_stem_of(p): LabelReference.from_bytes(data) for p, data in files.items() if p.startswith("fad/")}
        per_track = None
        if "ranks.safetensors" in files:
            names = sorted(p for p in files if p.startswith("per-track/"))
            moved = tuple(network_of(from_bytes(files[p], p)) for p in names)
            per_track = PerTrack(moved, load(files["ranks.safetensors"]))
        return cls(networks, bank, ScoringOptions(**options), fad, per_track)


def label_references(
    tracks: Mapping[str, Mapping[str, np.ndarray]],
    sample_rate: int,
    embedder: Embedder | None = None,
    silence: float = SILENCE_DBFS,
    cuts: int = 200,
    seed: int = 0,
) -> dict[str, LabelReference]:
    """label → ``LabelReference`` from clean reference tracks: track → label → float32 ``(channel, time)``.

    Raises ``BadInput`` naming the label when too few of the tracks have it audible.
    """
    embedder = embedder or registry.build(registry.DEFAULT, sample_rate)
    frames: dict[str, list] = {}
    for track in sorted(tracks):
        for label, audio in sorted(tracks[track].items()):
            frames.setdefault(label, []).append(audible_frames(embedder, audio, sample_rate, silence))
    references = {}
    for label, parts in frames.items():
        try:
            references[label] = LabelReference.from_tracks(parts, cuts, seed, least_spread=embedder.least_spread)
        except BadInput as error:
            raise BadInput(f"{label}: {error}") from error
    return references


def _stem_of(path: str) -> str:
    return path.rsplit("/", 1)[1].rsplit(".", 1)[0]
