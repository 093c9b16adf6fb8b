"""How to measure: time, memory, the machine's peaks, the work of a network, tables."""
