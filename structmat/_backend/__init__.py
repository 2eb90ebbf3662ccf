"""Array libraries: everything above this package uses the array API standard."""
