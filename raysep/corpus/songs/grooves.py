"""Rhythms, written as one character a sixteenth note.

Drums: ``X`` loud, ``x`` normal, ``o`` ghost, ``?`` perhaps, ``.`` nothing.
Bass: ``R`` root, ``8`` octave, ``3`` third, ``5`` fifth, ``7`` top tone, ``a`` a step towards the next root.
Chords: ``C`` chord, ``c`` soft chord, ``0``-``5`` a single tone of the chord, counted upwards.
In the last two ``-`` holds the note before and ``.`` is a rest. Bars have 16 characters, or 12 in three-four time.
"""

from __future__ import annotations

KIT = {"K": 36, "S": 38, "R": 37, "P": 39, "H": 42, "O": 46, "F": 44, "D": 51, "B": 53, "T": 54, "W": 56, "M": 70,
       "A": 69, "Q": 82, "G": 63, "L": 64, "Y": 75, "C": 49, "E": 40, "1": 48, "2": 45, "3": 41}  # fmt: skip
"""Letter → General MIDI percussion key."""

DRUMS: dict[str, dict[str, str]] = {
    "rock": {"K": "X.....?.X.x...?.", "S": "....X.......X..o", "H": "x.x.x.x.x.x.x.x."},
    "rock-open": {"K": "X..x..x.X.......", "S": "....X.......X...", "O": "x...x...x...x...", "D": "x.x.x.x.x.x.x.x."},
    "drive": {"K": "X.x.X.x.X.x.X.x.", "S": "....X.......X...", "D": "X.x.X.x.X.x.X.x.", "O": "..............?."},
    "pop": {"K": "X......xX.?.....", "S": "....X.......X...", "H": "x.o.x.o.x.o.x.o.", "T": "....x.......x..."},
    "pop-clap": {"K": "X..x....X..x..?.", "P": "....X.......X...", "H": "xoxoxoxoxoxoxoxo"},
    "ballad": {"K": "X.......X.....?.", "R": "....x.......x...", "H": "x...o...x...o...", "Q": "..o...o...o...o."},
    "ballad-big": {"K": "X.........x.....", "S": "........X.......", "D": "x...x...x...x..."},
    "funk": {"K": "X..x..x...x..?..", "S": "....X..o.o..X..o", "H": "xxxxxxx.xxxxxxxx", "O": ".......x........"},
    "funk-half": {"K": "X.x......x.x..?.", "S": "....X..o....Xo.o", "H": "x.xxx.xxx.xxx.xx", "W": "x...?...x...?..."},
    "disco": {"K": "X...X...X...X...", "S": "....X.......X...", "O": "..x...x...x...x.", "T": "x.xxx.xxx.xxx.xx"},
    "house": {"K": "X...X...X...X...", "P": "....X.......X...", "O": "..x...x...x...x.", "Q": "xoxoxoxoxoxoxoxo"},
    "techno": {"K": "X...X...X...X..?", "H": "..x...x...x...x.", "E": "....x..?....x...", "Y": "x..x..x...x.x..."},
    "one-drop": {"K": "........X.......", "R": "........x.....?.", "H": "x.x.x.x.x.x.x.x.", "M": "..o...o...o...o."},
    "steppers": {"K": "X...X...X...X...", "R": "....x..?....x...", "H": "x..xx..xx..xx..x"},
    "swing": {"D": "X...x..xX...x..x", "F": "....x.......x...", "K": "o...o...o...o...", "S": "...?......?....?"},
    "brushes": {"D": "x...x..ox...x..o", "S": "o...x...o...x...", "F": "....x.......x...", "K": "x.......?......."},
    "bossa": {"K": "X..xX..xX..xX..x", "R": "x..x..x...x..x..", "H": "xoxoxoxoxoxoxoxo"},
    "samba": {"K": "o..XX..xo..XX..x", "G": "..x..x....x..x..", "L": "x......x.x......", "M": "xoxxxoxxxoxxxoxx"},
    "latin": {"K": "X..x..x.X..x..x.", "L": "x.....xx......xx", "G": "..x.x.....x.x...", "W": "x...x.x.x...x.x.",
              "Y": "..x.x...x..x..x."},
    "boombap": {"K": "X.x.......X..x..", "S": "....X..o....X...", "H": "x.x.x.x.x.x.x.xo"},
    "trap": {"K": "X.....x...X.....", "P": "........X.......", "H": "x.x.x.xxx.x.xxxx", "O": "......?.......?."},
    "country": {"K": "X.......X.......", "S": "..o.X.o...o.X.oo", "H": "x.x.x.x.x.x.x.x."},
    "train": {"K": "X...x...X...x...", "S": "x.xxX.xxx.xxX.xx"},
    "shuffle": {"K": "X.......X..x....", "S": "....X.......X...", "D": "x..xx..xx..xx..x"},
    "soul": {"K": "X..x....x.x.....", "S": "....X..o.o..X...", "H": "x.x.x.x.x.x.x.x.", "T": "x...x...x...x..."},
    "waltz": {"K": "X...........", "R": "....x...x...", "H": "x.o.x.o.x.o."},
    "waltz-big": {"K": "X.......?...", "S": "....x...X...", "D": "x...x...x..."},
    "six-eight": {"K": "X........x..", "S": "......X.....", "H": "x.x.x.x.x.x."},
}  # fmt: skip

FILLS: dict[int, tuple[dict[str, str], ...]] = {
    16: (
        {"K": "X.......x.......", "S": "....X...xxXx....", "1": "............xx..", "3": "..............xx"},
        {"K": "X.......X.......", "S": "....X.....o.XoXX"},
        {"K": "X...x...X...x...", "1": "........x.x.....", "2": "...........xx...", "3": ".............xXX"},
        {"S": "....X.......x.xX", "O": "x.......x......."},
    ),
    12: (
        {"K": "X...........", "S": "....x..xxx..", "3": "..........xX"},
        {"K": "X.....x.....", "1": "....x...x...", "3": "..........x."},
    ),
}

BASS: dict[str, str] = {
    "eighths": "R-R-R-R-R-R-R-R-",
    "eighths-up": "R-R-R-R-5-5-8-a-",
    "halves": "R-------5-------",
    "long": "R---------------",
    "dotted": "R-----R-5-----a-",
    "octaves": "R-8-R-8-R-8-R-8-",
    "offbeat": "..R-..R-..R-..8-",
    "funk": "R-.8..R.5-.R..7a",
    "funk-2": "R..R..8-..R-5.8.",
    "motown": "R--R--5-8--5-3a-",
    "reggae": "R---..5-8-..5-..",
    "reggae-2": "..R-R-..3-5-....",
    "walking": "R---3---5---a---",
    "walking-2": "R---5---8---a---",
    "bossa": "R-----5-5-----R-",
    "tresillo": "R-----5-..8-....",
    "tumbao": "......5-----8---",
    "two-beat": "R---....5---....",
    "sub": "R---------..R-.a",
    "sub-2": "R-----.R------8-",
    "gallop": "R-RRR-RRR-RRR-RR",
    "pedal": "RRRRRRRRRRRRRRRR",
    "waltz": "R-------5---",
    "waltz-2": "R---5---3---",
    "six": "R-----5---a-",
}

COMP: dict[str, str] = {
    "whole": "C---------------",
    "halves": "C-------C-------",
    "quarters": "C---c---C---c---",
    "eighths": "C-c-C-c-C-c-C-c-",
    "push": "C-----C-....C-c-",
    "stabs": "..C...C...C...C.",
    "skank": "....C.......C...",
    "bubble": "..c-..c-..c-..c-",
    "strum": "C---C-cc..c-C-cc",
    "strum-2": "C-.cC-.c.-ccC-.c",
    "charleston": "C-....C-........",
    "offs": "...C..C-...C..c.",
    "bossa": "C-..C-..C-C...C-",
    "clave": "C..C..C...C.C...",
    "chugs": "CcccCcccCcccCccc",
    "power": "C-------....C-C-",
    "arp-up": "0-1-2-3-0-1-2-3-",
    "arp-roll": "0-2-1-2-3-2-1-2-",
    "arp-16": "0123210123210123",
    "arp-16b": "0.23.1.30.23.1.3",
    "pluck": "0--2--1-0--2-3--",
    "alberti": "0-2-1-2-0-2-1-2-",
    "montuno": "0.2.1..2.13.2.1.",
    "waltz": "....C---C---",
    "waltz-arp": "0-1-2-3-2-1-",
    "waltz-long": "C-----------",
    "six-arp": "0-2-1-3-1-2-",
}


def spans(figure: str) -> list[tuple[int, int, str]]:
    """(step, steps held, symbol) of every note of a bass or chord figure."""
    notes: list[tuple[int, int, str]] = []
    sounding = False
    for step, symbol in enumerate(figure):
        if symbol == "-" and sounding:
            start, length, first = notes[-1]
            notes[-1] = (start, length + 1, first)
        elif symbol in ".-":
            sounding = False
        else:
            notes.append((step, 1, symbol))
            sounding = True
    return notes
