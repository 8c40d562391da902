"""The frozen network in every form it has before compiling."""
