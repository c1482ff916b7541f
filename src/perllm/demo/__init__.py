"""A small real fleet on one machine: tiny generated models, engines, links and traffic."""
