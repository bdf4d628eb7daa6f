"""The pages of the documents that are made from the code: of the commands and of the Python functions."""
