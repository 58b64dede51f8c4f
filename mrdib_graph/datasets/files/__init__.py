"""Raw files: found or downloaded, and read line by line."""
