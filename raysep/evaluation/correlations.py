"""Correlations of all channels at all lags, window by window and of the whole track, in one pass over the audio.

Everything BSS Eval needs of the audio is in these numbers: the filters follow from the track's, the energies of
filtered signals in a window from the window's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Correlations:
    """r[p, q, k] = Σ_t x_p(t - k) x_q(t), with p a reference channel and q a reference channel or, after those, one
    of the estimates. Channels run over the stems first: stem 0 left, stem 0 right, stem 1 left, …
    """

    windows: np.ndarray  # (window, p, q, lag): of the signals cut to the window, zero outside it
    track: np.ndarray  # (p, q, lag): of the whole signals, the last, partial window included
    energies: np.ndarray  # (window, stem): Σ e² of the estimates, which are not correlated among themselves


def correlate(references: np.ndarray, estimates: np.ndarray, window: int, lags: int) -> Correlations:
    """Correlations at lags 0 … ``lags - 1`` of signals ``(stem, sample, channel)`` of any real type, in float64.

    Overlap-save: a window is cut into blocks of 3·lags samples, each is correlated with itself and the ``lags`` samples
    before it by FFTs of 4·lags, and the products of all blocks of a window are added up before the one inverse FFT.
    What lies across the border of two windows belongs to the track and to no window; it is added up likewise.
    """
    workspace = _Workspace(references.shape[0], references.shape[2], window, lags)
    total = references.shape[1]
    count = total // window
    windows = np.empty((count, *workspace.lagged.shape))
    energies = np.empty((count, references.shape[0]))
    track = np.zeros(workspace.lagged.shape)
    for index, span in enumerate(_spans(total, window)):
        past = slice(max(span.start - lags, 0), span.start)
        workspace.load(references[:, span], estimates[:, span], references[:, past])
        lagged = workspace.correlate()
        track += lagged
        if index < count:
            windows[index] = lagged
            energies[index] = workspace.estimate_energies()
    return Correlations(windows, track + workspace.across_borders(), energies)


def _spans(total: int, window: int) -> Iterator[slice]:
    """All windows, the last, partial one included."""
    return (slice(start, min(start + window, total)) for start in range(0, total, window))


class _Workspace:
    """The arrays one window is worked on in. Allocated once: fresh ones would cost as much as the arithmetic."""

    def __init__(self, stems: int, channels: int, window: int, lags: int) -> None:
        self.stems, self.channels, self.lags, self.size = stems, channels, lags, 4 * lags
        rows, step = stems * channels, 3 * lags
        blocks, bins = -(-window // step), self.size // 2 + 1
        # References, then estimates; the first `lags` columns stay zero: before its window a signal is silent.
        self.signals = np.zeros((2 * rows, lags + blocks * step))
        self.references = self.signals[:rows]
        self.past = np.zeros((rows, self.size))
        strides = (self.signals.strides[0], step * self.signals.itemsize, self.signals.itemsize)
        view = np.lib.stride_tricks.as_strided
        self.with_history = view(self.references, (rows, blocks, self.size), strides)
        self.alone = view(self.signals[:, lags:], (2 * rows, blocks, step), strides)
        self.x_spectra = np.empty((rows, blocks, bins), np.complex128)
        self.y_spectra = np.empty((2 * rows, blocks, bins), np.complex128)
        self.x = np.empty((bins, rows, blocks), np.complex128)  # the same with the bins first, for the products
        self.y = np.empty((bins, blocks, 2 * rows), np.complex128)
        self.products = np.empty((bins, rows, 2 * rows), np.complex128)
        self.cross = np.empty((rows, 2 * rows, bins), np.complex128)
        self.correlation = np.empty((rows, 2 * rows, self.size))
        # A block y sits at 0 and its x, which starts `lags` earlier, too: lag k is found `lags - k` before the end.
        self.lagged = self.correlation[..., -lags:]
        self.borders = np.zeros((bins, rows, 2 * rows), np.complex128)

    def load(self, references: np.ndarray, estimates: np.ndarray, past: np.ndarray) -> None:
        """Take a window ``(stem, sample, channel)``, and the references' last samples before it."""
        samples, before = references.shape[1], past.shape[1]
        both = self.signals.reshape(2, self.stems, self.channels, -1)[..., self.lags :]
        both[0, ..., :samples] = references.transpose(0, 2, 1)
        both[1, ..., :samples] = estimates.transpose(0, 2, 1)
        both[..., samples:] = 0.0
        history = self.past.reshape(self.stems, self.channels, -1)
        history[..., : self.lags] = 0.0
        history[..., self.lags - before : self.lags] = past.transpose(0, 2, 1)

    def correlate(self) -> np.ndarray:
        """The window's ``(p, q, lag)``, valid until the next; what crosses its beginning is put aside."""
        np.fft.rfft(self.with_history, axis=-1, out=self.x_spectra)
        np.fft.rfft(self.alone, n=self.size, axis=-1, out=self.y_spectra)
        np.conjugate(self.x_spectra.transpose(2, 0, 1), out=self.x)
        np.copyto(self.y, self.y_spectra.transpose(2, 1, 0))
        np.matmul(self.x, self.y, out=self.products)
        np.copyto(self.cross, self.products.transpose(1, 2, 0))
        np.fft.irfft(self.cross, n=self.size, axis=-1, out=self.correlation)
        past = np.fft.rfft(self.past, axis=-1).conj().T
        self.borders += past[:, :, None] * self.y[:, :1]  # the past of `lags` samples reaches the first block only
        return self.lagged

    def across_borders(self) -> np.ndarray:
        return np.fft.irfft(self.borders.transpose(1, 2, 0), n=self.size, axis=-1)[..., -self.lags :]

    def estimate_energies(self) -> np.ndarray:
        estimates = self.signals[len(self.references) :].reshape(self.stems, -1)
        return np.einsum("st,st->s", estimates, estimates)
