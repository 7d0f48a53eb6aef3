"""Carry out a plan: every policy on its own, so that one failure hides no other."""

from reconciler.applier.run import apply

__all__ = ["apply"]
