"""The kinds of music the composer knows: a table, and nothing but."""

from __future__ import annotations

from dataclasses import dataclass

# General MIDI programs by family. Voices (52-54, 85, 91) are missing on purpose: singing belongs to one stem only.
PIANOS = (0, 1, 2)
ELECTRIC_PIANOS = (4, 5, 7)
ORGANS = (16, 17, 18)
ACOUSTIC_GUITARS = (24, 25)
CLEAN_GUITARS = (26, 27, 28)
DRIVEN_GUITARS = (29, 30)
STRINGS = (48, 49, 50, 51)
PADS = (88, 89, 90, 94, 95)
BRASS = (61, 62, 63)
HORNS = (56, 57, 60, 64, 66)  # the alto saxophone, 65, has a hole in the range of the default font
WINDS = (64, 68, 71, 73, 75)
MALLETS = (11, 12, 9, 108, 114)
PLUCKED = (45, 46, 104, 105, 107, 15)
LEADS = (80, 81, 84, 90, 87)
FOLK = (21, 22, 40, 110, 105)


@dataclass(frozen=True)
class Layer:
    """One instrument of the `other` stem."""

    role: str  # "chords", or "lead" for a single line between the sung phrases
    programs: tuple[int, ...]
    figures: tuple[str, ...] = ()  # of grooves.COMP
    centre: float = 62.0  # MIDI, where chords lie


@dataclass(frozen=True)
class Style:
    name: str
    tempo: tuple[float, float]  # quarter notes a minute
    kits: tuple[int, ...]
    drums: tuple[str, ...]
    bass_programs: tuple[int, ...]
    bass: tuple[str, ...]
    layers: tuple[Layer, ...]  # the first is always played, each of the others often
    modes: tuple[str, ...] = ("major", "minor")
    sevenths: float = 0.2  # how likely chords have four tones
    swing: float = 0.5  # where the second half of a beat falls
    sixteenth_swing: float = 0.5  # where the second half of an eighth falls
    steps: int = 16  # sixteenths a bar
    drive: float = 0.0  # dB of saturation on the `other` stem
    syncopation: float = 0.3  # of the sung melody


def chords(programs: tuple[int, ...], *figures: str, centre: float = 62.0) -> Layer:
    return Layer("chords", programs, figures, centre)


def lead(*families: tuple[int, ...]) -> Layer:
    return Layer("lead", sum(families, ()))


STYLES: tuple[Style, ...] = (
    Style("rock", (100, 150), (0, 8, 16), ("rock", "rock-open", "drive"), (33, 34), ("eighths", "eighths-up", "dotted"),
          (chords(DRIVEN_GUITARS, "power", "eighths", "chugs", "whole", centre=52), chords(CLEAN_GUITARS, "arp-up", "strum"),
           chords(ORGANS, "whole", "halves"), lead(DRIVEN_GUITARS)), ("minor", "mixolydian", "major"), 0.0, drive=6.0),
    Style("pop", (88, 128), (0, 8, 24), ("pop", "pop-clap", "rock"), (33, 38, 39), ("eighths", "dotted", "octaves"),
          (chords(PIANOS, "quarters", "push", "arp-roll"), chords(PADS, "whole", centre=66), chords(CLEAN_GUITARS, "strum", "arp-16b"),
           chords(STRINGS, "whole", centre=70), lead(LEADS, MALLETS)), syncopation=0.4),
    Style("ballad", (62, 84), (0, 8, 48), ("ballad", "ballad-big"), (32, 33, 35), ("halves", "long", "dotted"),
          (chords(PIANOS + ELECTRIC_PIANOS, "arp-up", "alberti", "quarters"), chords(STRINGS, "whole", "halves", centre=67),
           chords(ACOUSTIC_GUITARS, "arp-roll", "pluck"), lead(WINDS, (40, 42))), sevenths=0.4, syncopation=0.2),
    Style("funk", (92, 116), (0, 8, 16), ("funk", "funk-half"), (33, 36, 37), ("funk", "funk-2", "motown"),
          (chords((27, 28, 7), "offs", "clave", "arp-16b", centre=65), chords(ELECTRIC_PIANOS + ORGANS, "push", "charleston"),
           chords(BRASS, "stabs", "charleston", centre=67), lead(HORNS)), ("dorian", "mixolydian"), 0.8, sixteenth_swing=0.55,
          syncopation=0.6),
    Style("disco", (110, 126), (0, 16, 24), ("disco", "house"), (33, 38), ("octaves", "funk-2", "offbeat"),
          (chords(STRINGS, "halves", "push", centre=70), chords((27, 28), "strum-2", "offs", centre=66), chords(PIANOS, "push", "quarters"),
           chords(BRASS, "stabs", centre=66)), ("minor", "dorian"), 0.5),
    Style("house", (118, 130), (24, 25), ("house", "techno"), (38, 39), ("offbeat", "octaves", "sub-2"),
          (chords((0, 16, 62, 81), "clave", "offs", "stabs"), chords(PADS, "whole", centre=66), chords((80, 81, 90), "arp-16", "arp-16b", centre=70),
           lead(LEADS)), ("minor", "dorian"), 0.6, drive=3.0),
    Style("reggae", (70, 92), (0, 8), ("one-drop", "steppers"), (33, 35, 32), ("reggae", "reggae-2"),
          (chords((27, 28, 0), "stabs", "skank", centre=66), chords(ORGANS, "bubble", centre=60), lead((57, 56, 22, 75))),
          swing=0.56, syncopation=0.4),
    Style("jazz", (96, 160), (32, 40), ("swing", "brushes"), (32, 35), ("walking", "walking-2"),
          (chords((0, 26, 4, 11), "charleston", "offs", "push", centre=60), chords((16, 17, 11), "halves", centre=64), lead(HORNS, WINDS)),
          ("major", "dorian", "minor"), 1.0, swing=0.64, syncopation=0.5),
    Style("bossa", (72, 100), (32, 40, 0), ("bossa", "samba"), (32, 35), ("bossa",),
          (chords((24, 26), "bossa", "offs", centre=60), chords((0, 4, 11), "charleston", "whole", centre=64), lead((73, 66, 64, 71))),
          ("major", "minor"), 1.0, syncopation=0.5),
    Style("hip hop", (78, 98), (24, 25, 8), ("boombap", "trap"), (38, 39, 33), ("sub", "sub-2", "dotted"),
          (chords((4, 5, 0, 46), "whole", "arp-16b", "pluck"), chords(PADS + STRINGS, "whole", centre=67), lead(MALLETS, LEADS, (73,))),
          ("minor", "dorian"), 0.5, sixteenth_swing=0.57, syncopation=0.6),
    Style("country", (92, 140), (0, 8, 40), ("country", "train", "shuffle"), (32, 33), ("two-beat", "eighths-up", "halves"),
          (chords(ACOUSTIC_GUITARS, "strum", "strum-2"), chords((105, 25), "arp-16", "arp-roll", centre=66), chords(PIANOS, "quarters"),
           lead((110, 22, 40))), ("major", "mixolydian"), 0.1),
    Style("synthpop", (104, 138), (24, 25, 16), ("pop-clap", "drive", "techno"), (38, 39), ("eighths", "octaves", "pedal"),
          (chords((81, 90, 62, 50), "push", "whole", "eighths", centre=64), chords((80, 81, 98, 88), "arp-16", "arp-up", centre=70),
           chords(PADS, "whole", centre=62), lead(LEADS)), ("minor", "major"), 0.1, drive=2.0),
    Style("soul", (84, 118), (0, 8), ("soul", "funk-half", "shuffle"), (33, 32), ("motown", "dotted", "eighths-up"),
          (chords(ORGANS + ELECTRIC_PIANOS, "halves", "push", "quarters"), chords((26, 27), "skank", "offs", centre=66),
           chords(BRASS, "charleston", "stabs", centre=66), lead((64, 66, 57))), ("major", "dorian"), 0.7, swing=0.53),
    Style("latin", (88, 116), (0, 8), ("latin", "samba"), (32, 33), ("tresillo", "tumbao", "bossa"),
          (chords(PIANOS, "montuno", "clave", centre=67), chords(BRASS, "stabs", "offs", centre=66), chords(ACOUSTIC_GUITARS, "clave"),
           lead((56, 57, 73, 12))), ("minor", "dorian", "major"), 0.4, syncopation=0.6),
    Style("heavy", (110, 160), (16, 0), ("drive", "rock", "rock-open"), (34, 33), ("gallop", "pedal", "eighths"),
          (chords((30,), "chugs", "power", "eighths", centre=50), chords((30, 29), "whole", "halves", centre=55), lead((30, 84))),
          ("minor",), 0.0, drive=9.0),
    Style("waltz", (84, 150), (0, 32, 40), ("waltz", "waltz-big"), (32, 33, 43), ("waltz", "waltz-2"),
          (chords((0, 24, 21, 25), "waltz", "waltz-arp"), chords(STRINGS, "waltz-long", centre=68), lead(FOLK, WINDS)),
          ("major", "minor"), 0.2, steps=12, syncopation=0.15),
    Style("six-eight", (70, 110), (0, 8), ("six-eight",), (33, 32), ("six", "waltz"),
          (chords((0, 25, 27), "six-arp", "waltz-arp"), chords(ORGANS + STRINGS, "waltz-long", centre=66), lead((56, 64, 29, 40))),
          ("major", "minor", "mixolydian"), 0.3, steps=12, syncopation=0.2),
    Style("folk", (76, 126), (40, 8), ("ballad", "brushes", "train"), (32, 33), ("halves", "two-beat", "dotted"),
          (chords(ACOUSTIC_GUITARS, "pluck", "arp-roll", "strum"), chords(PLUCKED, "pluck", "arp-up", centre=68), lead(FOLK, WINDS)),
          ("major", "dorian", "minor"), 0.1, syncopation=0.2),
)  # fmt: skip
