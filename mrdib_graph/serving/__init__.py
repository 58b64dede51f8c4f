"""From trained tables to recommendations."""
