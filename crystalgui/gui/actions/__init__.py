"""Tables of actions: menus, shortcuts and the palette read from them."""
