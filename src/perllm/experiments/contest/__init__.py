"""Policies put beside one another in the same worlds: many runs, and what may honestly be concluded from them."""
