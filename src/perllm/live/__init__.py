"""The brain on the real clock: its timer, its answers on their way to those who wait, its probes."""
