"""Tables and figures made of runs."""
