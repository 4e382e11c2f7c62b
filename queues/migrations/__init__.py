"""Schemas ``config`` (backed up, never rebuilt) and ``idx`` (rebuilt from the log at will)."""
