"""Whatever gives a stem a score. ``Probe`` is what one of your own is made of."""

from raysep.probes.probe import Probe

__all__ = ["Probe"]
