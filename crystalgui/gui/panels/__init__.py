"""The pages of the window and the panes around them."""
