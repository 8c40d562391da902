"""The search for a faster schedule."""
