"""Shell 2: a modelled world on a virtual clock, driving the same scheduler as the gateway."""
