"""What people do with models: pictures in, class names out."""
