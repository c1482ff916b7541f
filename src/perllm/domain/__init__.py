"""The nouns every room speaks of: values without behaviour beyond their own arithmetic."""
