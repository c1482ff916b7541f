"""Files a user writes, read strictly and turned into the values the other rooms work with."""
