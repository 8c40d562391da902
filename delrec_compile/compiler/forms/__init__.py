"""The files of each form of an artifact."""
