"""The packed store: pictures at the size of training, as bytes that are mapped into memory."""
