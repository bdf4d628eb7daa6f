"""The version, in a file that imports nothing: whoever writes it into a record does not import the public face."""

__version__ = "0.1.0"
