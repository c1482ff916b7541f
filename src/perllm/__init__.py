"""Send every LLM request to the edge or cloud engine that finishes it in time at the least energy."""

__version__ = "0.1.0"
