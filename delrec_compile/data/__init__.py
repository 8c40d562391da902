"""Spike data: the SHD/SSC reader, files of binned words, and the spoken-digits maker."""
