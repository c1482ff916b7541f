"""What is found out by running things: on real engines, or in simulation, and shown as tables and figures."""
