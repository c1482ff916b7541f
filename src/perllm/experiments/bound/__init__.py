"""How few joules could have done: lower bounds on any schedule, and the best schedule that hindsight finds."""
