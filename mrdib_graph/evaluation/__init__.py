"""Full-ranking evaluation and paired statistics."""
