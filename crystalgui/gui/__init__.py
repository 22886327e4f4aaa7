"""The window: shows state and asks for jobs; computes nothing."""
