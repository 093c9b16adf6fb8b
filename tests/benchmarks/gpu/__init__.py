"""What is measured on one GPU, with torch and numpy alone."""
