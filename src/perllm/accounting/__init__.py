"""Totals over events: requests by fate, requirements met, joules with idle, throughput, prediction error."""

from perllm.accounting.declared import DeclaredMeters
from perllm.accounting.idle import IdleAccounting, IdleJoules
from perllm.accounting.ledger import Ledger

__all__ = ["DeclaredMeters", "IdleAccounting", "IdleJoules", "Ledger"]
