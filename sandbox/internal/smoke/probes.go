package smoke

func probeChecks(*env) []*check { return nil }
