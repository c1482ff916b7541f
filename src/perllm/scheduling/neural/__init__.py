"""Small networks in plain numpy, for the policies that others have published with a deep-learning library."""
