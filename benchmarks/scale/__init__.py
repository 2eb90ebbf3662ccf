"""Operators on several devices, in several processes, and on data beyond memory, by the engines that exist."""
