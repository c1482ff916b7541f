"""Shell 1: HTTP in, HTTP out. Serves the OpenAI dialect over real engines."""
