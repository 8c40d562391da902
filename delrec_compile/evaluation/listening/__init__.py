"""Live audio: samples in, words out, one step of a compiled network each 10 ms."""
