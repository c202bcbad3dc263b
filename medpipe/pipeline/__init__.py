"""Data sets, models, training and experiments; the only package that imports torch."""
