"""The command ``fastrnn``: train, predict, evaluate, info, demo."""

from fastrnn.cli.command import main

__all__ = ["main"]
