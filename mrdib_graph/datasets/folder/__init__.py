"""The field's common folder layout: read, checked and written."""
