"""Real models of others: each is run and compared with what LiteRT says about it."""
