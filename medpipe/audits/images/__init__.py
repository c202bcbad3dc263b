"""Leakage between images: duplicates, altered copies, slices of one patient, and splits."""
