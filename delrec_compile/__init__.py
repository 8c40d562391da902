"""Compile trained delay-learning spiking networks for any chip."""
