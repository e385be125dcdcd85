"""Two checkouts side by side: equal values, times in turn, and goals reached on the same pairs."""
