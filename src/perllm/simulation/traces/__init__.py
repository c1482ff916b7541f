"""Request traces: one file for each layout, all read into the same requests, line after line."""
