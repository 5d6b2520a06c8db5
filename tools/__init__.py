"""Tools of the project itself: pages made from the code, the documentation site, and checks of what is shipped."""
