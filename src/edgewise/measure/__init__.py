"""How fast models run: against other runtimes (`compare`), and operator by operator (`profile`)."""
