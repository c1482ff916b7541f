"""Measure a real engine, and say what was found in the constants of the formulas."""
