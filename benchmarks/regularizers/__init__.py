"""The regularizers side by side: what they notice, how noisy slices are, what they cost, and peers."""
