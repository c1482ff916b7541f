"""What talks to real things: the engines and how they are reached."""
