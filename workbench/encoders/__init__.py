"""Encoders, the heads behind them, and the form of a graph that they compute on."""
