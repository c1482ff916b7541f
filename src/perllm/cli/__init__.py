"""The `perllm` command: each command reads its arguments, calls one function and prints what it returns."""

from perllm.cli.app import main

__all__ = ["main"]
