"""What is found out by running things: on real engines, or many times in simulation; and tables and figures of it."""
