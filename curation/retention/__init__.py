"""How long rows are kept, and what holds them longer."""
