"""What starts, examines and saves the whole."""
