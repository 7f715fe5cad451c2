"""Which level to run: budgets, the decision, recommendations, and the sentences that state them."""
