"""Packages of an artifact for pip, npm, Arduino and Zephyr."""
