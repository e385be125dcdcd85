"""The layout of the published LeWM weights, read and written, and layouts that are refused."""
