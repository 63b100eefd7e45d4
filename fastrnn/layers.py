"""Recurrent layers: padded arrays in, arrays out, exact gradients."""

from fastrnn.network.cells import GRU, LSTM, RNN, CarryLSTM

__all__ = ["GRU", "LSTM", "RNN", "CarryLSTM"]
