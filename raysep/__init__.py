"""raysep: blind cleaning of music source separation training data, on one machine or a Ray cluster."""

__version__ = "0.1.0"
