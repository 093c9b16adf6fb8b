"""Fine-tuning: one torch-only step, and Lightning around it."""
