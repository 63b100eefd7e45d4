"""Streams: sequences that come step by step, each with an answer at once."""

from fastrnn.streams.filtered import open_stream
from fastrnn.streams.stream import Stream

__all__ = ["Stream", "open_stream"]
