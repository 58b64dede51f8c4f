"""The recommenders that MRdIB is added to, one file each."""
