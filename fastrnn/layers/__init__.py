"""Recurrent layers: arrays in, arrays out, gradients by backpropagation through time."""

from fastrnn.layers.cells import GRU, LSTM, RNN, CarryLSTM

__all__ = ["GRU", "LSTM", "RNN", "CarryLSTM"]
