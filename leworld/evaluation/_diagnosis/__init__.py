"""What losses do not show."""
