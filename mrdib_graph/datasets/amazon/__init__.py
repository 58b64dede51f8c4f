"""Amazon review data: raw files to a folder, and the ready sets."""
