"""The subcommands of `raysep`, by what they are about. Heavy imports happen inside the functions."""
