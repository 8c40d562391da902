"""Whatever takes x and gives y and spikes, here or on a device."""
