"""The record of events: taken down while they happen, kept in a file, read back, replayed and verified."""
