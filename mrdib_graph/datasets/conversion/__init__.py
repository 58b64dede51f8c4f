"""Raw files of public formats to a folder that :class:`MMRecFolder` reads."""
