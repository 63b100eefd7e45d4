"""Every accepted X, y, series and frame becomes ragged containers; input errors are raised here."""
