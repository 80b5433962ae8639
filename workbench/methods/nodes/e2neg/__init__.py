"""E2Neg and the stars that it trains on."""
