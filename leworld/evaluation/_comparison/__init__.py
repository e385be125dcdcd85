"""What several models reach on one task, and what that costs."""
