"""A figure of a model that follows success and needs no environment, and the search that it guides."""
