"""What else foretells the worth of a stem, to be measured beside the metagradient: influence at the end point, TracIn, norms.

All are approximations of the metagradient or controls of it, none is a probe that decides. **Sign** throughout: higher = better
to train on.
"""
