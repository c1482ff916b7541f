"""The physics: formulas for seconds and joules. No number of any machine stands here."""
