"""Times, memory and errors of structmat and of its peers on the same problems."""
