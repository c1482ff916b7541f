"""The brain: told events that carry their instant, it answers with actions. No clock, socket, thread or logger here."""
