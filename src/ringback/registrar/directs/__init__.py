"""Direct addresses: public opaque names that ring an extension."""
