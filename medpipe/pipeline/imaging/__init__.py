"""What is particular to images: their settings, splits, corruptions and calibration."""
