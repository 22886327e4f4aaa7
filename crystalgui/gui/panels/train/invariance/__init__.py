"""The room that measures how a trained network answers when its inputs are rolled."""
