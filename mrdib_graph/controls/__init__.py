"""Cheap controls that stand where MRdIB stands, so that a gain is a gain over them."""
