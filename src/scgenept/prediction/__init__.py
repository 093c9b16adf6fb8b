"""The engine: cells and a perturbation in, arrays out."""
