"""Streams: sequences that come step by step, each with an answer at once."""

from fastrnn.streams.stream import FilteredStream, LabelStream, Stream

__all__ = ["FilteredStream", "LabelStream", "Stream"]
