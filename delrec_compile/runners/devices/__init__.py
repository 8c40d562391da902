"""Machines reached over ssh, RPC or a cable, as runners."""
