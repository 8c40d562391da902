"""The network in int16 or int8: quantisation, layers, file."""
