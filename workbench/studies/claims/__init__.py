"""Claims: published numbers and sentences as data, and a verdict on each with its reason."""

from workbench.studies.claims.cells import Cell, Sentence, Training, cells, find, sentences, trainings
from workbench.studies.claims.verdicts import MARGIN, Verdict, of_cell, of_sentence, verdict

__all__ = [
    "MARGIN",
    "Cell",
    "Sentence",
    "Training",
    "Verdict",
    "cells",
    "find",
    "of_cell",
    "of_sentence",
    "sentences",
    "trainings",
    "verdict",
]
