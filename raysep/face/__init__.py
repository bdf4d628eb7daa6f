"""What `import raysep` offers: the commands as functions, with results whose tables are read when they are asked for."""
