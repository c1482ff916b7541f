"""The OpenAI dialect as pure functions over bytes: what clients send, and what engines answer."""
