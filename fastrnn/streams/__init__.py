"""Streams: sequences that come step by step, each with an answer at once."""

from fastrnn.streams.stream import Stream

__all__ = ["Stream"]
