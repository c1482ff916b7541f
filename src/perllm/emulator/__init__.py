"""An OpenAI-compatible engine with the simulation's timing, and faults on request."""
