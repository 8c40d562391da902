"""The networks and words that ship with the package."""
