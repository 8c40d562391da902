"""Network + target -> artifact."""
