"""The parts of the page Backtest: which prices, which rules, the run itself and what it found."""
